/** The images of a run under the splits it was trained with, wherever they lie now. */
import { join } from 'node:path';
import { z } from 'zod';
import { openDataset } from '../data/sets/dataset.ts';
import { loadMetadata } from '../data/sets/metadata.ts';
import type { Dataset, Split } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { hashFile } from '../../engine/node/fileHash.ts';
import { mapParallel } from '../../engine/node/parallel.ts';
import { readIfPresent } from '../../engine/node/atomic.ts';
import type { TrainConfig } from '../config/schema.ts';
import { RUN_FILES } from './fileNames.ts';
import { readPictures } from './pictures.ts';
import { parseStored } from './storedJson.ts';

/** Opens a data set as a configuration splits it. @param onProgress told of each picture that was compared. @throws GmtlError as `openDataset`. */
export function openConfigured(
  source: string,
  { data, training }: TrainConfig,
  onProgress?: (done: number, total: number) => void,
): Promise<Dataset> {
  const { validationFraction: valFraction, joinLabels, folds, fold } = data;
  return openDataset(source, { valFraction, seed: training.seed, joinLabels, folds, fold, onProgress });
}

/** What to do where the images of a run are not where its list says: writing the list again would draw other splits. */
const MOVED = "The images or the run were moved: say where the images are with --data; the run's splits stay.";

/** The images where the run's `metadata.json` says they are. @throws GmtlError as `loadMetadata`, telling of --data where they are not. */
export function readRunDataset(runFolder: string): Promise<Dataset> {
  return loadMetadata(join(runFolder, RUN_FILES.metadata), { whereElse: MOVED });
}

/**
 * The run's own images in its own order and splits, found in `data`: what a run that was moved goes on with. Images that the run does not
 * know are left out.
 *
 * @throws GmtlError `run/images-missing` naming those that are not in `data`, and as {@link openRunDataset}.
 */
export async function relocateRunDataset(
  runFolder: string,
  config: TrainConfig,
  data: string,
  onProgress?: (done: number, total: number) => void,
): Promise<Dataset> {
  const opened = await openRunDataset(runFolder, config, data, onProgress);
  const splits = await recordedSplits(runFolder);
  if (splits === null) {
    throw new GmtlError(
      'data/metadata-unreadable',
      `${join(runFolder, RUN_FILES.metadata)}: there is no such file. Restore it from a copy of the run.`,
    );
  }
  const found = new Map(opened.items.map((item) => [item.id, item]));
  const missing = [...splits.keys()].filter((id) => !found.has(id));
  if (missing.length > 0) {
    const named = `${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}`;
    throw new GmtlError(
      'run/images-missing',
      `${data} lacks ${missing.length} of the ${splits.size} images of the run (${named}). Name the folder or list that holds all of them.`,
    );
  }
  return { ...opened, items: [...splits].map(([id, split]) => ({ ...found.get(id)!, split })) };
}

/**
 * The run's own images, or those of `data`: opened as the run's were. Images that the run was made with keep the split they had there, so that
 * no training image is scored as a test image wherever the run is evaluated and whatever it is called. They are known by their content, as
 * `pictures.json` records it; in runs without it by their id.
 *
 * @throws GmtlError as {@link readRunDataset}, `openDataset` and {@link readPictures}.
 */
export async function openRunDataset(
  runFolder: string,
  config: TrainConfig,
  data?: string,
  onProgress?: (done: number, total: number) => void,
): Promise<Dataset> {
  if (data === undefined) return readRunDataset(runFolder);
  const opened = await openConfigured(data, config, onProgress);
  const splits = await recordedSplits(runFolder);
  if (splits === null) return opened;
  const contents = splitsByContent(runFolder);
  const known = await mapParallel(opened.items, async ({ id, imagePath }) =>
    contents === null ? splits.get(id) : contents.get(await hashFile(imagePath))?.[0],
  );
  const items = opened.items.map((item, index) => ({ ...item, split: known[index] ?? item.split }));
  const count = known.filter((split) => split !== undefined).length;
  const namesakes = opened.items.filter(({ id }, index) => known[index] === undefined && splits.has(id)).length;
  const notes = [
    count === items.length
      ? `the splits are those of the run's metadata.json`
      : `${count} of ${items.length} images are known to the run and keep its splits; the others have those of ${data}`,
    ...(namesakes > 0
      ? [
          `${namesakes} images are called as images of the run but have another content: they are taken for other images`,
        ]
      : []),
  ];
  return { ...opened, items, notes: [...opened.notes, ...notes] };
}

/** The splits of each image of the run, training first, by the SHA-256 of its file; null where the run did not record them. */
function splitsByContent(runFolder: string): ReadonlyMap<string, readonly Split[]> | null {
  const records = readPictures(join(runFolder, RUN_FILES.pictures));
  if (records === null) return null;
  const order: readonly Split[] = ['train', 'val', 'test'];
  const splits = new Map<string, Split[]>();
  for (const { files, split } of records) {
    const [image] = files;
    if (image === null) continue;
    const known = [...(splits.get(image) ?? []), split];
    splits.set(
      image,
      known.sort((one, other) => order.indexOf(one) - order.indexOf(other)),
    );
  }
  return splits;
}

/** What a run's `metadata.json` tells without its files being there. */
const rowsSchema = z.array(z.object({ id: z.string(), split: z.enum(['train', 'val', 'test']) }));

/** The split of each image of the run, by id; null where the run's list is missing. @throws GmtlError for a damaged one. */
async function recordedSplits(runFolder: string): Promise<ReadonlyMap<string, Split> | null> {
  const path = join(runFolder, RUN_FILES.metadata);
  const text = readIfPresent(path);
  if (text === undefined) return null;
  const remedy = 'Restore it from a copy of the run.';
  const rows = parseStored(rowsSchema, text, { path, code: 'data/metadata-json', remedy });
  return new Map(rows.map(({ id, split }) => [id, split]));
}
