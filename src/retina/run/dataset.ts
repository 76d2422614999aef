/** The images of a run under the splits it was trained with, wherever they lie now. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { openDataset } from '../data/sets/dataset.ts';
import { loadMetadata } from '../data/sets/metadata.ts';
import type { Dataset, Split } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';
import type { TrainConfig } from '../config/schema.ts';
import { RUN_FILES } from './fileNames.ts';

/** Opens a data set as a configuration splits it. @throws GmtlError as `openDataset`. */
export function openConfigured(source: string, { data, training }: TrainConfig): Promise<Dataset> {
  const { validationFraction: valFraction, joinLabels, folds, fold } = data;
  return openDataset(source, { valFraction, seed: training.seed, joinLabels, folds, fold });
}

/** The images where the run's `metadata.json` says they are. @throws GmtlError as `loadMetadata`. */
export function readRunDataset(runFolder: string): Promise<Dataset> {
  return loadMetadata(join(runFolder, RUN_FILES.metadata));
}

/**
 * The run's own images, or those of `data`: opened as the run's were, and images that the run's list knows by their id keep the split
 * they had there, so that no training image is scored as a test image wherever the run is evaluated.
 *
 * @throws GmtlError as `loadMetadata`, telling of --data where images are missing, and as `openDataset`.
 */
export async function openRunDataset(runFolder: string, config: TrainConfig, data?: string): Promise<Dataset> {
  if (data === undefined) {
    return readRunDataset(runFolder).catch((cause: unknown) => {
      if (!(cause instanceof GmtlError) || cause.code !== 'data/metadata-missing-file') throw cause;
      throw new GmtlError(
        cause.code,
        `${cause.message}\nIf the run was trained on another machine, or the images were moved, say where they are with --data.`,
        { cause },
      );
    });
  }
  const opened = await openConfigured(data, config);
  const splits = await recordedSplits(runFolder);
  if (splits === null) return opened;
  const items = opened.items.map((item) => ({ ...item, split: splits.get(item.id) ?? item.split }));
  const known = items.filter(({ id }) => splits.has(id)).length;
  const note =
    known === items.length
      ? `the splits are those of the run's metadata.json`
      : `${known} of ${items.length} images are known to the run and keep its splits; the others have those of ${data}`;
  return { ...opened, items, notes: [...opened.notes, note] };
}

/** What a run's `metadata.json` tells without its files being there. */
const rowsSchema = z.array(z.object({ id: z.string(), split: z.enum(['train', 'val', 'test']) }));

/** The split of each image of the run, by id; null where the run's list is missing. @throws GmtlError for a damaged one. */
async function recordedSplits(runFolder: string): Promise<ReadonlyMap<string, Split> | null> {
  const path = join(runFolder, RUN_FILES.metadata);
  try {
    const rows = rowsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return new Map(rows.map(({ id, split }) => [id, split]));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return null;
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.ZodError)) throw cause;
    throw new GmtlError(
      'data/metadata-json',
      `${path}: damaged (${cause.message}). Restore it from a copy of the run.`,
      { cause },
    );
  }
}
