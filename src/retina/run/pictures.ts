/** A run's `pictures.json`: what its images, masks and labels were when it began, for a resumed run to be held against. */
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import type { ItemRecord } from '../data/sets/datasetFingerprint.ts';

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

/** Writes the record, one image a line. */
export async function writePictures(path: string, records: readonly ItemRecord[]): Promise<void> {
  await writeFileAtomic(path, `[\n${records.map((record) => `  ${JSON.stringify(record)}`).join(',\n')}\n]\n`);
}

/** The record; null where there is none. @throws GmtlError `run/pictures` for a damaged one. */
export function readPictures(path: string): ItemRecord[] | null {
  const text = readIfPresent(path);
  if (text === undefined) return null;
  try {
    return picturesSchema.parse(JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError('run/pictures', `${path}: damaged (${reason}). Restore it from a copy of the run.`, { cause });
  }
}
