/** Shows a run on some random images of a split: the answers of the gate and the experts beside the truth. */
import { checkAttributes } from '../../engine/arguments.ts';
import { isGateTaught, sharesImages } from '../config/taught.ts';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { makeWritableFolder, writeFileAtomic } from '../../engine/node/atomic.ts';
import { withEngine } from '../../engine/node/createEngine.ts';
import { KeyedRandom, STREAMS } from '../random.ts';
import { type Dataset, type DatasetItem, selectItems, type Split } from '../domain.ts';
import { decideGrade } from '../metrics/inputs.ts';
import type { Precision } from '../network/network.ts';
import { openPredictor } from '../predict/openPredictor.ts';
import { routeOf } from '../predict/prediction.ts';
import type { Provenance } from '../predict/predictionRow.ts';
import { predictionsCsv } from '../predict/predictionsTable.ts';
import type { Predictor } from '../predict/predictor.ts';
import { provenanceOf } from '../predict/provenance.ts';
import type { GalleryImage, TableData } from '../report/html/data.ts';
import { requireOwn, writeAnnounced } from '../report/ownFiles.ts';
import { RunFolder } from '../run/runFolder.ts';
import { type TrainingSet, trainedOnCaveat, trainedOnText } from '../run/trainingSetFormat.ts';
import { collect, type PredictedItem } from './collect.ts';
import { maskScorer } from './masks.ts';
import { summarize } from './summary.ts';
import type { Evaluation } from '../metrics/evaluation.ts';
import { predictionRows } from './tables.ts';

export interface SampleOptions {
  readonly count: number;
  readonly split: Split;
  readonly seed: number;
  /** Average over the four flips. */
  readonly flips: boolean;
  /** Folder for the files, which is created. */
  readonly folder: string;
  /** What was predicted, and with which network, in one line. */
  readonly subject: string;
  /** What the rows of the table say of their origin. */
  readonly provenance: Provenance;
  /** What the network was trained on; null where that is not recorded. */
  readonly trainingSet: TrainingSet | null;
}

/**
 * Draws `count` of the items without replacement: the same ones for the same seed and items, whatever their order. All of them where there
 * are fewer.
 */
function drawSample(items: readonly DatasetItem[], count: number, seed: number): DatasetItem[] {
  const sorted = [...items].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const order = new KeyedRandom(seed, STREAMS.sample).permutation(sorted.length);
  return Array.from(order.subarray(0, count), (index) => sorted[index]);
}

/** What the sample showed. */
export interface Sampled {
  /** In the order drawn. */
  readonly predicted: readonly PredictedItem[];
  readonly pictures: readonly GalleryImage[];
  readonly evaluation: Evaluation;
  readonly files: readonly string[];
}

/** The files of a sample. */
function sampleFiles(folder: string): { readonly grid: string; readonly page: string; readonly table: string } {
  return { grid: join(folder, 'sample.png'), page: join(folder, 'sample.html'), table: join(folder, 'sample.csv') };
}

/**
 * Predicts a random sample of a split, each image by the expert of its own task, and writes a PNG grid, an HTML page and a CSV of it.
 * Misrouted images are marked, where an expert does not know the other's.
 *
 * @throws GmtlError `data/empty-split`, and what `collect` and the writers throw.
 */
async function sampleSplit(
  predictor: Predictor,
  dataset: Dataset,
  { count, split, seed, flips, folder, subject, provenance, trainingSet }: SampleOptions,
): Promise<Sampled> {
  const items = drawSample(selectItems(dataset, split), count, seed);
  if (items.length === 0) {
    throw new GmtlError('data/empty-split', `${dataset.source}: the ${split} split has no images to draw from`);
  }
  makeWritableFolder(folder);
  // Imported here, because the drawing libraries take half a second to load and every command would pay it.
  const { GalleryCollector } = await import('./gallery.ts');
  const { renderSampleGrid } = await import('../report/sampleGrid.ts');
  const { writeSampleReport } = await import('../report/html/report.ts');
  const { config } = predictor;
  const gallery = new GalleryCollector(config, 'network');
  const scorer = maskScorer(predictor, { frame: 'network', flips });
  const answers: PredictedItem[] = [];
  const collected = await collect(predictor, items, {
    flips,
    maskScorer: scorer,
    onMask: gallery.listeners.onMask,
    onPredicted: (answer) => {
      answers.push(answer);
      gallery.listeners.onPredicted?.(answer);
    },
  });
  const evaluation = summarize(collected, { intervals: false });
  const inDrawnOrder = <One>(ones: readonly One[], idOf: (one: One) => string): One[] => {
    const byId = new Map(ones.map((one) => [idOf(one), one]));
    return items.flatMap(({ id }) => byId.get(id) ?? []);
  };
  const pictures = inDrawnOrder(await gallery.pictures(evaluation, items.length), ({ id }) => id);
  const predicted = inDrawnOrder(answers, ({ item }) => item.id);
  const title = `${pictures.length} images of the ${split} split, drawn with seed ${seed}`;
  const files = sampleFiles(folder);
  const misrouted = evaluation.gate.misroutes.map(({ id }) => id);
  await writeAnnounced(Object.values(files), 'infer --sample', async () => {
    await writeFileAtomic(files.grid, await renderSampleGrid(pictures, { title }));
    await writeSampleReport(files.page, {
      title,
      subtitle: subject,
      caveats: trainedOnCaveat(trainingSet),
      created: new Date().toISOString(),
      gallery: {
        images: pictures,
        note: `Masks and grades are those of the expert of the image’s own task${sharesImages(config) ? '' : '; images that a decided gate (55 % or more) misrouted are framed in red'}.`,
      },
      tables: !isGateTaught(config) ? [] : [routesTable(predicted, sharesImages(config) ? null : misrouted)],
    });
    await writeFileAtomic(files.table, predictionsCsv(predictionRows(predicted, evaluation, provenance, null)));
  });
  return { predicted, pictures, evaluation, files: Object.values(files) };
}

/** @param misrouted null where neither route is wrong. */
function routesTable(predicted: readonly PredictedItem[], misrouted: readonly string[] | null): TableData {
  const wrong = new Set(misrouted);
  return {
    title: 'Routes',
    columns: ['Image', misrouted === null ? 'Drawn for' : 'Belongs to', 'Sent to', 'Probability'],
    rows: predicted.map(({ item, prediction }) => {
      const { task, probability } = routeOf(prediction);
      return [item.id, item.task, task, probability];
    }),
    marked: predicted.flatMap(({ item }, index) => (wrong.has(item.id) ? [index] : [])),
  };
}

/** One image of a sample in one line: the gate (where one was trained), and what was predicted beside the truth. */
function sampleLine(
  { item, prediction }: PredictedItem,
  { segmentation, gradeDecision }: Evaluation,
  { hasGate, canMisroute }: { readonly hasGate: boolean; readonly canMisroute: boolean },
): string {
  const { task: route, probability } = routeOf(prediction);
  const sure = `${(100 * probability).toFixed(0)} %`;
  const gate = `gate ${route} (${sure}${route === item.task || !canMisroute ? '' : `, belongs to ${item.task}`})`;
  const grade = (name: string, truth: number | null, values: Float32Array | null): string[] =>
    truth === null || values === null ? [] : [`${name} ${decideGrade(gradeDecision, values)} (truth ${truth})`];
  const dice = Object.entries(segmentation ?? {}).flatMap(([structure, { images }]) => {
    const own = images.find(({ image }) => image === item.id);
    return own ? [`${structure} ${Number.isNaN(own.dice) ? 'absent' : own.dice.toFixed(2)}`] : [];
  });
  const said =
    item.task === 'segmentation'
      ? dice.length > 0
        ? [`Dice ${dice.join(' ')}`]
        : []
      : [
          ...grade('retinopathy', item.retinopathy, prediction.retinopathy),
          ...grade('edema', item.edema, prediction.edema),
        ];
  return [`${item.id}: ${item.task} image`, ...(hasGate ? [gate] : []), ...said].join(', ');
}

/** Options of {@link sampleRun}. */
export interface SampleRunOptions extends Omit<SampleOptions, 'subject' | 'provenance' | 'trainingSet'> {
  readonly run: string;
  /** Where the images are. Default: as in the run's list. */
  readonly data?: string;
  /** Default: the moving average of the weights where the run kept one. */
  readonly weights?: 'average' | 'raw';
  /** Replace an earlier sample in the folder. Default false. */
  readonly overwrite?: boolean;
  readonly precision?: Precision;
  /** Default: auto. */
  readonly adapter?: string;
  /** Receives the readable text: what the sample shows. */
  readonly print?: (text: string) => void;
  /** Receives which weights run on which adapter, and where the files are. */
  readonly note?: (text: string) => void;
}

const OPTIONS = {
  count: 'extent',
  split: ['train', 'val', 'test'],
  seed: 'integer',
  flips: 'flag',
  folder: 'path',
  run: 'path',
  data: 'path?',
  weights: ['average', 'raw'],
  overwrite: 'flag?',
  precision: ['f32', 'f16'],
  adapter: 'text?',
  print: 'call?',
  note: 'call?',
} as const;

/**
 * Opens a run and its images, and shows a sample of them: the work of `gmtl infer --sample`.
 *
 * @throws GmtlError `infer/exists` where an earlier sample would be replaced, and as {@link RunFolder} and `sampleSplit`.
 */
export async function sampleRun(options: SampleRunOptions): Promise<Sampled> {
  checkAttributes('sampleRun', OPTIONS, options);
  const { folder, flips, adapter = 'auto', print = () => undefined, note = () => undefined, precision } = options;
  const run = RunFolder.open(options.run);
  const config = run.config();
  const dataset = await run.datasetToScore(options.data);
  const weights = await run.checkpoints.weights(options.weights);
  makeWritableFolder(folder);
  const present = Object.values(sampleFiles(folder)).find((file) => existsSync(file));
  if (present !== undefined && !options.overwrite) {
    throw new GmtlError(
      'infer/exists',
      `${present} is there already. Add --overwrite to replace an earlier sample, or choose another folder with --out.`,
    );
  }
  requireOwn(Object.values(sampleFiles(folder)), 'infer --sample');
  note(
    `network  ${weights.path}${weights.step === null ? '' : `, step ${weights.step}`}${weights.averaged ? ', averaged weights' : ''}`,
  );
  return withEngine({ adapter, seed: config.training.seed }, async ({ engine, device, opened }) => {
    note(`trained  on ${trainedOnText(run.trainingSet())}`);
    note(`adapter  ${device.name}: ${opened.reason}`);
    const predictor = openPredictor(engine, {
      config,
      weights: weights.weights,
      path: weights.path,
      note,
      precision,
    });
    try {
      const subject = `${run.path}, checkpoint '${weights.name}'${flips ? ', mean of four flips' : ''}`;
      const provenance = provenanceOf({ weights: weights.weights, config }, device.name);
      const trainingSet = run.trainingSet();
      const sampled = await sampleSplit(predictor, dataset, { ...options, subject, provenance, trainingSet });
      const hasGate = isGateTaught(config);
      const canMisroute = hasGate && !sharesImages(config);
      for (const one of sampled.predicted) print(sampleLine(one, sampled.evaluation, { hasGate, canMisroute }));
      const { misroutes } = sampled.evaluation.gate;
      if (canMisroute) print(`${misroutes.length} of ${sampled.predicted.length} misrouted`);
      for (const file of sampled.files) note(`written  ${resolve(file)}`);
      return sampled;
    } finally {
      predictor.dispose();
    }
  });
}
