/** A run's `pictures.json`: what its images, masks and labels were when it began, for a resumed run to be held against. */
import { z } from 'zod';
import { readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import type { ItemRecord } from '../data/sets/datasetFingerprint.ts';
import { parseStored } from './storedJson.ts';

const picturesSchema = z.array(
  z.object({
    id: z.string(),
    split: z.enum(['train', 'val', 'test']),
    task: z.enum(['segmentation', 'classification']),
    files: z.array(z.string().nullable()),
    retinopathy: z.number().nullable(),
    edema: z.number().nullable(),
  }),
);

/** Writes the record, one image per line. */
export async function writePictures(path: string, records: readonly ItemRecord[]): Promise<void> {
  await writeFileAtomic(path, `[\n${records.map((record) => `  ${JSON.stringify(record)}`).join(',\n')}\n]\n`);
}

/** The record; null where there is none. @throws GmtlError `run/pictures` for a damaged one. */
export function readPictures(path: string): ItemRecord[] | null {
  const text = readIfPresent(path);
  if (text === undefined) return null;
  const remedy = 'Restore it from a copy of the run.';
  return parseStored(picturesSchema, text, { path, code: 'run/pictures', remedy });
}
