/** Scores a run by the field's protocol and writes the text, the report and the pictures requested: the work of `gmtl evaluate`. */
import { checkAttributes } from '../../engine/arguments.ts';
import { preparePictures } from '../data/loading/preparePictures.ts';
import { whereFieldIsSeen } from '../data/pictures/pictureStatistics.ts';
import { measureFile } from '../data/pictures/preprocess.ts';
import { withReferralSettings } from '../config/referralSettings.ts';
import { isGateTaught } from '../config/taught.ts';
import { GmtlError } from '../../engine/errors.ts';
import { requireWritable } from '../../engine/node/atomic.ts';
import { withEngine } from '../../engine/node/createEngine.ts';
import { mapParallel } from '../../engine/node/parallel.ts';
import { type Dataset, type DatasetItem, selectItems, type Split } from '../domain.ts';
import type { Precision } from '../network/network.ts';
import { type Member, openEnsemble, runsOf, weightsTogether } from '../predict/openEnsemble.ts';
import type { Predictor } from '../predict/predictor.ts';
import { type Trust, trustOf } from '../predict/trust.ts';
import { requireOwn, writeOwn } from '../report/ownFiles.ts';
import type { RunWeights } from '../run/checkpoints.ts';
import { RunFolder } from '../run/runFolder.ts';
import { weightsHash } from '../run/weightsHash.ts';
import { type TrainingSet, trainedOnText } from '../run/trainingSetFormat.ts';
import type { FittedHow } from './calibration.ts';
import { collect } from './collect.ts';
import { ensembleDataset, type SplitOf } from './ensembleDataset.ts';
import type { GalleryCollector } from './gallery.ts';
import { maskScorer } from './masks.ts';
import {
  type CollectItems,
  type ProtocolOptions,
  type ProtocolResult,
  recordedFigures,
  runProtocol,
} from './protocol.ts';
import { calibratedText, calibrationText, evaluationText, misroutesText, referralsText } from './text.ts';

/** Options of {@link evaluateRun}. */
export interface EvaluateRunOptions {
  /** A run's folder; several, separated by commas, are scored as an ensemble, under the first one's settings. */
  readonly run: string;
  /** Default: test. */
  readonly split?: Split;
  /** The checkpoint's name. Default: `best` where there is one, else `last`. */
  readonly checkpoint?: string;
  /** Where the images are. Default: as in the run's list. */
  readonly data?: string;
  /** Default: the moving average of the weights where the run kept one. */
  readonly weights?: 'average' | 'raw';
  /** The frame in which masks are scored, see `MaskScoring`. Default: network. */
  readonly frame?: 'network' | 'native';
  /** Average over the four flips. Default false. */
  readonly flips?: boolean;
  /** Leave out images that cannot be used, with a note each, instead of stopping. Default: the run's `data.skipBad`. */
  readonly skipBad?: boolean;
  /** Fit temperatures and thresholds on the validation images. Default true. */
  readonly calibrate?: boolean;
  /** Settings of the section `referral` over the run's own, as `referral.sensitivity=0.95`. */
  readonly set?: readonly string[];
  /** File for everything that was measured. */
  readonly json?: string;
  /** Folder for the report: see `writeReport`. */
  readonly report?: string;
  /** Folder for pictures of truth beside prediction. */
  readonly pictures?: string;
  readonly precision?: Precision;
  /** Default: auto. */
  readonly adapter?: string;
  /** Receives the readable text: figures, and what was written. */
  readonly print?: (text: string) => void;
  /** Receives notes on the data, and the images that were left out. */
  readonly note?: (text: string) => void;
  /** Receives the progress, in images. */
  readonly onImages?: (part: 'calibration' | 'scores', done: number, total: number) => void;
}

const OPTIONS = {
  run: 'path',
  split: ['train', 'val', 'test'],
  checkpoint: 'text?',
  data: 'path?',
  weights: ['average', 'raw'],
  frame: ['network', 'native'],
  flips: 'flag?',
  skipBad: 'flag?',
  calibrate: 'flag?',
  set: 'list?',
  json: 'path?',
  report: 'path?',
  pictures: 'path?',
  precision: ['f32', 'f16'],
  adapter: 'text?',
  print: 'call?',
  note: 'call?',
  onImages: 'call?',
} as const;

/** Which network was scored, how, and with what figures: the content of `--json` and metrics.json. */
export interface EvaluationRecord extends Omit<ProtocolResult, 'collected' | 'trust'> {
  readonly run: string;
  /** The runs of an ensemble; absent for a single network. */
  readonly ensemble?: readonly string[];
  readonly checkpoint: string;
  readonly step: number | null;
  readonly weights: 'average' | 'raw';
  readonly frame: 'network' | 'native';
  readonly flips: boolean;
  readonly adapter: string;
}

const silent = (): void => undefined;

/**
 * Fits temperatures and thresholds on a run's validation images, scores the images of a split, writes `calibration.json` into the run's
 * folder and whatever else is requested.
 *
 * @throws GmtlError as {@link RunFolder}, `runProtocol` and the writers.
 */
export async function evaluateRun(options: EvaluateRunOptions): Promise<EvaluationRecord> {
  checkAttributes('evaluateRun', OPTIONS, options);
  const { split = 'test', frame = 'network', flips = false, calibrate = true } = options;
  const { adapter = 'auto', precision, onImages, print = silent, note = silent } = options;
  const runs = runsOf(options.run).map((path) => RunFolder.open(path));
  const [run] = runs;
  // A damaged one is said now, not once all pictures are scored.
  run.environment();
  const own = withReferralSettings(run.config(), options.set ?? []);
  const config = { ...own, data: { ...own.data, skipBad: options.skipBad || own.data.skipBad } };
  const datasets: SplitOf[] = [];
  for (const one of runs) datasets.push({ run: one.path, dataset: await one.datasetToScore(options.data) });
  const dataset = ensembleDataset(datasets, split);
  note(`trained on ${trainedOnText(run.trainingSet())}`);
  for (const text of dataset.notes) note(`note: ${text}`);
  await requireOutputs(options, dataset, split);
  const members: (RunWeights & Member)[] = [];
  for (const one of runs) {
    const own = await one.checkpoints.weights(options.weights, options.checkpoint);
    members.push({ ...own, config: one === run ? config : one.config() });
  }
  const [{ name, step, averaged }] = members;
  const weights = weightsTogether(members);
  const how = { checkpoint: name, step, weights: averaged ? 'average' : 'raw', frame, flips } as const;
  return withEngine({ adapter, seed: config.training.seed }, async ({ engine, device }) => {
    const predictor = openEnsemble(engine, members, { note, precision, trainingSet: run.trainingSet() });
    try {
      // Report and pictures load a chart library, so they are imported only where they are used.
      const shows = options.report !== undefined || options.pictures !== undefined;
      const { GalleryCollector } = shows ? await import('./gallery.ts') : {};
      const gallery = GalleryCollector ? new GalleryCollector(config, frame) : null;
      const { source } = predictor;
      const wanted = dataset.items.filter((item) => item.split === split || (calibrate && item.split === 'val'));
      await preparePictures(wanted, (item) => source.sample(item, source.options.preprocess.size));
      const { referral } = config;
      const judge = (items: readonly DatasetItem[]) => judgeItems(items, run.trainingSet());
      const result = await score(predictor, dataset, { split, calibrate, referral, how, judge, onImages }, gallery);
      const ensemble = runs.length > 1 ? runs.map(({ path }) => path) : null;
      const subject = subjectOf(split, how, device.name, runs.length);
      const replaces = how.weights === 'average' || !(await run.checkpoints.weights('average', name)).averaged;
      const hash = ensemble ? weightsHash(weights) : undefined;
      await printFigures(run, result, subject, { print, replaces, ensemble: hash, report: options.report });
      for (const { item, reason } of predictor.source.skipped.values()) note(`skipped    ${item.imagePath}: ${reason}`);
      const record: EvaluationRecord = {
        run: run.path,
        ...(ensemble && { ensemble }),
        ...how,
        adapter: device.name,
        ...recordedFigures(result),
      };
      if (options.json !== undefined) {
        await writeOwn(options.json, `${JSON.stringify(record, null, 2)}\n`, 'evaluate');
        print(`written    ${options.json}`);
      }
      if (options.report !== undefined && gallery) {
        const { writeReport } = await import('./report.ts');
        const parameters = predictor.model.parameterCount();
        const shown = { run, ensemble, dataset, step, subject, parameters, adapter: device.name, frame, weights };
        const written = await writeReport(options.report, { ...shown, result, record, gallery });
        for (const file of written) print(`written    ${file}`);
      }
      if (options.pictures !== undefined && gallery) {
        const { writeComparisons } = await import('./comparisons.ts');
        const written = await writeComparisons(gallery.eachPicture(result.plain), options.pictures);
        print(`written    ${written.length} pictures of truth and prediction in ${options.pictures}`);
      }
      return record;
    } finally {
      predictor.dispose();
    }
  });
}

/** Refuses, before minutes are spent, what could not be written in the end. @throws GmtlError `io/exists` for what an evaluation did not write, or as `requireWritable`. */
async function requireOutputs(
  { json, report, pictures }: EvaluateRunOptions,
  dataset: Dataset,
  split: Split,
): Promise<void> {
  const groups: string[][] = json === undefined ? [] : [[json]];
  if (report !== undefined) groups.push((await import('./report.ts')).reportFiles(report));
  if (pictures !== undefined) {
    const { comparisonFile } = await import('./comparisons.ts');
    const masked = selectItems(dataset, split).filter(({ maskPaths }) => maskPaths !== null);
    groups.push(masked.map(({ id }) => comparisonFile(pictures, id)));
  }
  for (const files of groups) {
    requireOwn(files, 'evaluate');
    if (files.length > 0) await requireWritable(files[0]);
  }
}

/** The protocol on a run's images, watched by the gallery while the split is scored. */
function score(
  predictor: Predictor,
  dataset: Dataset,
  { onImages, ...options }: ProtocolOptions & Pick<EvaluateRunOptions, 'onImages'>,
  gallery: GalleryCollector | null,
): Promise<ProtocolResult> {
  const { split, how } = options;
  const { flips } = how;
  const scorer = maskScorer(predictor, how);
  const collectItems: CollectItems = (items, thresholds, part) => {
    const isShown = part === 'scores' || split === 'val';
    return collect(predictor, items, {
      thresholds,
      lesionLevel: isShown,
      flips,
      maskScorer: scorer,
      ...(isShown && gallery?.listeners),
      onImages: (done, total) => onImages?.(part, done, total),
    });
  };
  return runProtocol(dataset, collectItems, options);
}

/** What the pictures themselves can be trusted for; without those that cannot be read, which were left out before. */
async function judgeItems(
  items: readonly DatasetItem[],
  trainingSet: TrainingSet | null,
): Promise<ReadonlyMap<string, Trust>> {
  const judged = await mapParallel(items, async ({ id, imagePath }) => {
    try {
      return [[id, trustOf(await whereFieldIsSeen(measureFile(imagePath)), trainingSet)] as const];
    } catch (error) {
      if (!(error instanceof GmtlError) || !error.code.startsWith('data/')) throw error;
      return [];
    }
  });
  return new Map(judged.flat());
}

/** What was scored, and with which network, in one line. */
export function subjectOf(
  split: Split,
  { checkpoint, step, weights, frame, flips }: FittedHow,
  adapter: string,
  networks = 1,
): string {
  return [
    ...(networks === 1 ? [] : [`ensemble of ${networks} networks`]),
    `${split} split`,
    `checkpoint '${checkpoint}'`,
    ...(step === null ? [] : [`step ${step}`]),
    ...(weights === 'average' ? ['averaged weights'] : []),
    ...(flips ? ['mean of four flips'] : []),
    frame === 'native' ? 'masks at native resolution' : "masks at the network's resolution",
    `on ${adapter}`,
  ].join(', ');
}

/** Prints both settings, the calibration between them, and stores the calibration beside the run. */
async function printFigures(
  run: RunFolder,
  { plain, calibrated, calibration, referral, notes }: ProtocolResult,
  subject: string,
  {
    print,
    replaces,
    ensemble,
    report,
  }: {
    readonly print: (text: string) => void;
    readonly replaces: boolean;
    readonly ensemble: string | undefined;
    readonly report: string | undefined;
  },
): Promise<void> {
  const hasGate = isGateTaught(run.config());
  print(evaluationText(plain, `PLAIN (thresholds 0.5, temperatures 1): ${subject}`, { hasGate }));
  if (calibration) {
    print(calibrationText(calibration));
    if (replaces) print(`written    ${await run.writeCalibration(calibration, ensemble)}\n`);
    else print('not kept: these are not the weights that gmtl infer uses, so the calibration of the run stays\n');
  }
  if (calibrated) {
    print(calibratedText(calibrated, `CALIBRATED (on validation images, never on these): ${subject}`, { hasGate }));
  }
  if (referral) print(referralsText(referral));
  for (const text of notes) print(`note: ${text}`);
  if (hasGate) for (const text of misroutesText(plain.gate.misroutes, report)) print(text);
}
