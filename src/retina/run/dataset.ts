/** A finished (or running) run opened for scoring: configuration, images with the splits it was trained under, weights. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { openDataset } from '../data/sets/dataset.ts';
import { loadMetadata } from '../data/sets/metadata.ts';
import type { Dataset, Split } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { CHECKPOINT_FOLDER, loadCheckpoint } from './checkpoint.ts';
import type { TrainConfig } from '../config/resolve.ts';
import { readRunConfig } from './runFolder.ts';

export interface OpenedRun {
  readonly folder: string;
  readonly config: TrainConfig;
  readonly dataset: Dataset;
}

/** What a run's `metadata.json` tells without its files being there. */
const rowsSchema = z.array(z.object({ id: z.string(), split: z.enum(['train', 'val', 'test']) }));

/** The split of each image of the run, by id; null where the run's list is missing. @throws GmtlError for a damaged one. */
async function recordedSplits(folder: string): Promise<ReadonlyMap<string, Split> | null> {
  const path = join(folder, 'metadata.json');
  try {
    const rows = rowsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return new Map(rows.map(({ id, split }) => [id, split]));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return null;
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.ZodError)) throw cause;
    throw new GmtlError(
      'data/metadata-json',
      `${path}: damaged (${cause.message}). Restore it from a copy of the run.`,
      {
        cause,
      },
    );
  }
}

/**
 * Opens a run with its own images, or with those of `data`: opened as the run's were, and images that the run's list knows by their id
 * keep the split they had there, so that no training image is scored as a test image wherever the run is evaluated.
 *
 * @throws GmtlError as {@link readRunConfig}, `loadMetadata` and `openDataset`.
 */
export async function openRun(runFolder: string, data?: string): Promise<OpenedRun> {
  const folder = resolve(runFolder);
  const config = readRunConfig(folder);
  if (data === undefined) {
    const dataset = await loadMetadata(join(folder, 'metadata.json')).catch((cause: unknown) => {
      if (!(cause instanceof GmtlError) || cause.code !== 'data/metadata-missing-file') throw cause;
      throw new GmtlError(
        cause.code,
        `${cause.message}\nIf the run was trained on another machine, or the images were moved, say where they are with --data.`,
        { cause },
      );
    });
    return { folder, config, dataset };
  }
  const { validationFraction, joinLabels, folds, fold } = config.data;
  const opened = await openDataset(data, {
    valFraction: validationFraction,
    seed: config.training.seed,
    joinLabels,
    folds,
    fold,
  });
  const splits = await recordedSplits(folder);
  if (splits === null) return { folder, config, dataset: opened };
  const items = opened.items.map((item) => ({ ...item, split: splits.get(item.id) ?? item.split }));
  const known = items.filter(({ id }) => splits.has(id)).length;
  const note =
    known === items.length
      ? `the splits are those of the run's metadata.json`
      : `${known} of ${items.length} images are known to the run and keep its splits; the others have those of ${data}`;
  return { folder, config, dataset: { ...opened, items, notes: [...opened.notes, note] } };
}

export interface RunWeights {
  readonly weights: StoredTensors;
  /** The checkpoint's name: 'best', 'last', … */
  readonly name: string;
  readonly path: string;
  readonly step: number | null;
  readonly averaged: boolean;
}

/**
 * The weights of a run's checkpoint.
 * @param name default: `best` where there is one, else `last`. @param kind `average` takes the moving average where there is one.
 */
export async function openWeights(
  folder: string,
  kind: 'average' | 'raw' = 'average',
  name = existsSync(join(folder, CHECKPOINT_FOLDER, 'best.json')) ? 'best' : 'last',
): Promise<RunWeights> {
  const { ema, weights, path, manifest } = await loadCheckpoint(folder, { name, roles: ['weights', 'ema'] });
  const average = kind === 'average' ? ema : undefined;
  return { weights: average ?? weights, name, path, step: manifest?.step ?? null, averaged: average !== undefined };
}
