/** A look at a run: some random images of a split, what the gate and the experts say of them, and what is true. */
import { mkdir } from 'node:fs/promises';
import type { Engine } from '../../engine/autograd/engine.ts';
import { SampleSource } from '../data/loading/loader.ts';
import { KeyedRandom, STREAMS } from '../random.ts';
import { type DatasetItem, selectItems, type Split } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, writeFileAtomic } from '../../engine/node/atomic.ts';
import type { MultitaskNet } from '../network/network.ts';
import type { GalleryImage, TableData } from '../report/html/data.ts';
import { writeSampleGrid } from '../report/sampleGrid.ts';
import { writeSampleReport } from '../report/html/report.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { collect, type Seen } from './collect.ts';
import { maskScorer } from './masks.ts';
import type { OpenedRun } from '../run/dataset.ts';
import { type Evaluation, summarise } from './summary.ts';
import { GalleryCollector, routeOf } from './gallery.ts';
import { predictionsCsv } from './tables.ts';
import { sampleFiles } from './sampleFiles.ts';

export interface SampleOptions {
  readonly count: number;
  readonly split: Split;
  readonly seed: number;
  /** Average over the four flips. */
  readonly flips: boolean;
  /** Folder for the files, which is made. */
  readonly folder: string;
  /** What was predicted with what, in a line. */
  readonly subject: string;
}

/**
 * Draws `count` of the items without replacement: the same ones for the same seed and items, whatever their order. All where there are
 * fewer.
 */
export function drawSample(items: readonly DatasetItem[], count: number, seed: number): DatasetItem[] {
  const sorted = [...items].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const order = new KeyedRandom(seed, STREAMS.sample).permutation(sorted.length);
  return Array.from(order.subarray(0, count), (index) => sorted[index]);
}

/** What the sample showed. */
export interface Sampled {
  /** In the order drawn. */
  readonly seen: readonly Seen[];
  readonly pictures: readonly GalleryImage[];
  readonly evaluation: Evaluation;
  readonly files: readonly string[];
}

/**
 * Predicts a random sample of a run's split, each image by the expert of its own task, and writes a PNG grid, an HTML page and a CSV of it.
 * Misrouted images are marked.
 *
 * @throws GmtlError `data/empty-split`, and what `collect` and the writers throw.
 */
export async function writeSample(
  engine: Engine,
  model: MultitaskNet,
  { config, dataset }: OpenedRun,
  { count, split, seed, flips, folder, subject }: SampleOptions,
): Promise<Sampled> {
  const items = drawSample(selectItems(dataset, split), count, seed);
  if (items.length === 0) {
    throw new GmtlError('data/empty-split', `${dataset.source}: the ${split} split has no images to draw from`);
  }
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw describeWriteError(cause, folder);
  });
  const source = new SampleSource(loaderSettings(config));
  const gallery = new GalleryCollector(config, 'network');
  const scorer = maskScorer(engine, model, source, config, { frame: 'network', flips });
  const collected = await collect(engine, model, items, source, config, {
    batchSize: Math.max(config.data.segmentationPerBatch, config.data.classificationPerBatch),
    flips,
    ...(scorer && { maskScorer: scorer }),
    ...gallery.listeners,
  });
  const evaluation = summarise(collected, { intervals: false });
  const inDrawnOrder = <One>(ones: readonly One[], idOf: (one: One) => string): One[] =>
    items.flatMap(({ id }) => ones.filter((one) => idOf(one) === id));
  const pictures = inDrawnOrder(await gallery.pictures(evaluation, items.length), ({ id }) => id);
  const seen = inDrawnOrder(gallery.seen, ({ item }) => item.id);
  const title = `${pictures.length} images of the ${split} split, drawn with seed ${seed}`;
  const files = sampleFiles(folder);
  await writeSampleGrid(files.grid, pictures, { title });
  const misrouted = evaluation.gate.misroutes.map(({ id }) => id);
  await writeSampleReport(files.page, {
    title,
    subtitle: subject,
    created: new Date().toISOString(),
    gallery: {
      images: pictures,
      note: 'Masks and grades are those of the expert of the image’s own task; misrouted images are framed in red.',
    },
    tables: config.training.routing === 'none' ? [] : [routesTable(seen, misrouted)],
  });
  await writeFileAtomic(files.table, predictionsCsv(seen, evaluation));
  return { seen, pictures, evaluation, files: Object.values(files) };
}

function routesTable(seen: readonly Seen[], misrouted: readonly string[]): TableData {
  return {
    title: 'Routes',
    columns: ['Image', 'Belongs to', 'Sent to', 'Probability'],
    rows: seen.map(({ item, prediction }) => {
      const { task, probability } = routeOf(prediction);
      return [item.id, item.task, task, probability];
    }),
    marked: seen.flatMap(({ item }, index) => (misrouted.includes(item.id) ? [index] : [])),
  };
}
