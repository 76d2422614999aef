/** Inference on a list of image files, with masks, overlays and a table of what was found: the work of `gmtl infer`. */
import { resolve } from 'node:path';
import { checkAttributes, requireMade } from '../../engine/arguments.ts';
import { GmtlError } from '../../engine/errors.ts';
import { hashFile } from '../../engine/node/fileHash.ts';
import { printableLine } from '../../engine/printable.ts';
import { LOCK_WITHIN, type RunLock } from '../run/lock.ts';
import { inBatches } from './batches.ts';
import type { Journal } from './journal.ts';
import { GivenNetwork, type PictureNetwork, type Predict, type PreparedAs } from './pictureNetwork.ts';
import { PictureThreads } from './pictureThreads.ts';
import { filesOfPicture, type PictureDone, type PictureWorkOptions, workOnPicture } from './pictureWork.ts';
import { type InferResult, summary } from './result.ts';
import type { InferInput } from './inputs.ts';
import type { Provenance } from './predictionRow.ts';
import type { PredictionsTable } from './predictionsTable.ts';
import type { ResultsFolder } from './results.ts';

/** Codes of errors that concern one image and do not stop the others. */
const IMAGE_FAULTS: readonly string[] = [
  'infer/ungradable',
  'data/image-unreadable',
  'data/image-too-large',
  'infer/no-fundus',
  'infer/dicom-out',
  'infer/not-finite',
];

/** The outcome for one image: a result and the files that show it, or the reason why there is none. */
export type PictureOutcome =
  | {
      readonly input: InferInput;
      readonly result: InferResult;
      readonly files: string[];
      readonly milliseconds: number;
      /** What made it, where the record of an earlier run has it. */
      readonly provenance?: Provenance | undefined;
      /** `recorded`: taken from the record; `completed`: in the record, and done again because files that are asked for were not there. */
      readonly earlier?: 'recorded' | 'completed' | undefined;
      /** Why a file that was asked for is missing beside a result of an earlier run, which stays. */
      readonly lacks?: string | undefined;
    }
  | { readonly input: InferInput; readonly error: GmtlError };

/** Whether a picture has no result because it cannot be graded, as asked for. */
const isSkipped = (outcome: PictureOutcome): boolean => 'error' in outcome && outcome.error.code === 'infer/ungradable';

/** What is done already, and `modelHash` of what is to be done. */
export interface Resume {
  readonly journal: Journal;
  readonly model: string;
}

/** How pictures are inferred and written. */
export interface InferAndWriteOptions extends Omit<PictureWorkOptions, 'folder'> {
  /** Changes a result before it is written: calibration does. */
  readonly adjust?: ((result: InferResult) => InferResult) | undefined;
}

/** Options of {@link inferPictures}. */
export interface InferPicturesOptions extends InferAndWriteOptions {
  /** Default (null): everything is to be done. */
  readonly resume?: Resume | null;
  /** Threads that decode and write beside the device's work. Default 0: this thread does. */
  readonly threads?: number;
  /** Pictures that the device takes at once (see `inBatches`). Default 1. */
  readonly batch?: number;
  /** Called with each image's outcome as soon as its files are written. */
  readonly onPicture?: (outcome: PictureOutcome, index: number) => void;
  /** Aborting it ends the work after the pictures under way; the table is written. */
  readonly stop?: AbortSignal;
  /** Pictures under way at once. Default: 4, and two for each decoding thread and each picture of a batch where there are threads. */
  readonly ahead?: number;
}

/** How many files that failed a summary names. */
const MOST_NAMED = 10;

/** What became of a list; the outcomes themselves are handed on one by one, and not held. */
export interface InferSummary {
  readonly looked: number;
  /** Of those, pictures left out because they cannot be graded. */
  readonly skipped: number;
  readonly failed: number;
  /** Taken from the record of earlier runs. */
  readonly recorded: number;
  /** In the record, but done again because files that are asked for were not there. */
  readonly completed: number;
  /** Paths of the first that failed, at most 10. */
  readonly firstFailed: readonly string[];
}

/**
 * Pictures under way at once: while the device has one, others are decoded, and the results of others written. Each holds its decoded
 * pixels: 9 MB for 2144x1424, 37 MB for 4288x2848. Four more than the threads and the device have in hand: outcomes come in the list's order, so that
 * a thread would wait for another's picture.
 */
export const picturesUnderWay = (threads: number, batch: number): number =>
  threads === 0 ? 4 : 4 + 2 * (threads + batch);

/**
 * Does the work on one image, unless the record says that it is done and the files that the options ask for are there.
 *
 * @param lock on the folder: see {@link ResultsFolder}.
 * @returns the reason instead of a result where the image cannot be read or shows no fundus. @throws GmtlError for all else that goes wrong.
 */
export async function lookOnce(
  work: (input: InferInput, keeps: boolean) => Promise<PictureDone>,
  input: InferInput,
  resume: Resume | null,
  options: Pick<PictureWorkOptions, 'folder' | 'write' | 'dicomOut' | 'provenance'>,
  lock?: Pick<RunLock, 'confirm'>,
): Promise<PictureOutcome> {
  const start = performance.now();
  try {
    const done = resume && { sha256: await hashFile(input.path), model: resume.model, name: input.name };
    const entry = done && resume.journal.find(done);
    const there = entry ? resume.journal.filesOf(entry) : [];
    const recorded = entry && {
      ...{ input, result: { ...entry.result, file: input.path }, files: [], milliseconds: 0 },
      ...{ provenance: entry.provenance, earlier: 'recorded' as const },
    };
    if (recorded && isWithin(filesOfPicture(input, recorded.result, options), there)) return recorded;
    lock?.confirm(LOCK_WITHIN);
    const made = await work(input, entry !== null).catch((error: unknown) => {
      // The picture has its result already, and keeps it: it is the DICOM files that cannot be had.
      const isKept = recorded && error instanceof GmtlError && error.code === 'infer/dicom-out';
      if (isKept) return { ...recorded, lacks: error.message };
      throw error;
    });
    if ('lacks' in made) return made;
    const { result, files } = made;
    const { entry: listed, frame } = input;
    const known = listed || frame ? { input: { ...(listed && { entry: listed }), ...(frame && { frame }) } } : {};
    const { provenance } = options;
    lock?.confirm(LOCK_WITHIN);
    if (done) resume.journal.add({ ...done, ...known, result, files: joined(there, files), provenance });
    const milliseconds = Math.round(performance.now() - start);
    return { input, result, files, milliseconds, ...(entry && { earlier: 'completed' }) };
  } catch (error) {
    if (!(error instanceof GmtlError) || !IMAGE_FAULTS.includes(error.code)) throw error;
    return { input, error };
  }
}

/** Whether all of these paths are among the others. */
function isWithin(paths: readonly string[], others: readonly string[]): boolean {
  const known = new Set(others.map((path) => resolve(path)));
  return paths.every((path) => known.has(resolve(path)));
}

const joined = (some: readonly string[], others: readonly string[]): string[] => [
  ...new Set([...some, ...others].map((path) => resolve(path))),
];

/** Adds an outcome's row to the table. @param provenance of what this process computes; a recorded outcome has its own. */
export async function addOutcome(
  table: PredictionsTable,
  outcome: PictureOutcome,
  provenance: Provenance | undefined,
): Promise<void> {
  const { input } = outcome;
  const row = 'error' in outcome ? { file: input.path, error: outcome.error.message } : outcome.result;
  await table.add(row, input, ('provenance' in outcome && outcome.provenance) || provenance);
}

/**
 * Runs inference on the images and writes the results of each into the folder, several under way at once: decoding and writing go on
 * beside the device's work, and outcomes come in the list's order. With a batch of 1 the network sees each picture by itself: results are bitwise those of
 * one picture at a time. An image that cannot be read, or shows no fundus, does not stop the others.
 *
 * @param results from `openResults`, for the same inputs.
 * @throws GmtlError as `inferImage` where it is the only image, and as `writeResults`.
 */
export async function inferPictures(
  predictor: PictureNetwork<PreparedAs>,
  inputs: readonly InferInput[],
  results: ResultsFolder,
  given: InferPicturesOptions,
): Promise<InferSummary> {
  requireMade('inferPictures', 'predictor', predictor, ['config', 'source', 'predict'], 'openPredictor');
  checkAttributes('inferPictures', { inputs: 'records' }, { inputs });
  requireMade('inferPictures', 'results', results, ['folder', 'table'], 'openResults');
  requireMade('inferPictures', 'options', given, ['choice', 'threshold'], "{ choice: 'gate', threshold: 0.5 }");
  const { folder, table, lock } = results;
  const {
    adjust = (result) => result,
    onPicture,
    stop,
    threads: count = 0,
    batch = 1,
    ahead = picturesUnderWay(count, batch),
    resume = null,
    ...options
  } = given;
  const summary = { looked: 0, skipped: 0, failed: 0, recorded: 0, completed: 0, firstFailed: [] as string[] };
  const { config, source, trainingSet } = predictor;
  const predict: Predict = (images, given, how) => predictor.predict(images, given, how);
  const network = new GivenNetwork(config, source, trainingSet, inBatches(predict, batch));
  const workOptions = { folder, ...options };
  const threads = count > 0 ? new PictureThreads(count, network, workOptions, adjust) : null;
  const work = (input: InferInput, keeps: boolean) =>
    threads ? threads.look(input, keeps) : workOnPicture(network, input, workOptions, adjust, keeps);
  const settle = async (looking: Promise<PictureOutcome>): Promise<void> => {
    const outcome = await looking;
    const { input } = outcome;
    await addOutcome(table, outcome, options.provenance);
    if ('error' in outcome && inputs.length === 1 && !isSkipped(outcome)) throw outcome.error;
    if (isSkipped(outcome)) summary.skipped++;
    else if ('error' in outcome) {
      if (summary.failed++ < MOST_NAMED) summary.firstFailed.push(input.path);
    }
    if ('earlier' in outcome && outcome.earlier) summary[outcome.earlier]++;
    onPicture?.(outcome, summary.looked++);
  };
  const underWay: Promise<PictureOutcome>[] = [];
  try {
    for (const input of inputs) {
      if (stop?.aborted) break;
      if (underWay.length >= ahead) await settle(underWay.shift() as Promise<PictureOutcome>);
      const looking = lookOnce(work, input, resume, workOptions, lock);
      // A failure is thrown by the settle that gets it; until then it must not count as unhandled.
      looking.catch(() => undefined);
      underWay.push(looking);
    }
    while (underWay.length > 0) await settle(underWay.shift() as Promise<PictureOutcome>);
  } finally {
    await Promise.allSettled(underWay);
    await threads?.close();
    await table.write();
  }
  return summary;
}

/** An outcome as a few lines of readable text. */
export function outcomeLines(outcome: PictureOutcome): string[] {
  return plainLines(outcome).map(printableLine);
}

function plainLines(outcome: PictureOutcome): string[] {
  if ('error' in outcome) return [`${isSkipped(outcome) ? 'skipped' : 'error'}: ${outcome.error.message}`];
  const { lesions, warnings } = outcome.result;
  const { lacks } = outcome;
  const areas = Object.entries(lesions ?? {}).map(
    ([lesion, { share, regions }]) => `${lesion} ${(100 * share).toFixed(2)} % (${regions})`,
  );
  return [
    summary(outcome.result),
    ...(lesions ? [`    share of the frame (regions): ${areas.join(', ')}`] : []),
    ...warnings.map((warning) => `warning: ${outcome.input.path}: ${warning}`),
    ...(lacks === undefined ? [] : [`warning: its earlier result stays, without DICOM files: ${lacks}`]),
  ];
}
