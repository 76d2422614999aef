/** What `gmtl train` does once its options are parsed: begins a run or a cross-validation, or goes on with one. */
import { checkAttributes } from '../../engine/arguments.ts';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { gatherValues } from '../../engine/node/ranks.ts';
import { generateSyntheticIdrid } from '../data/synth/index.ts';
import { requireConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { CrossValidationFolder } from '../run/crossValidationFolder.ts';
import { openConfigured } from '../run/dataset.ts';
import { RunFolder } from '../run/runFolder.ts';
import { bestMetric } from './best.ts';
import { prepareFolds, trainFolds } from './crossValidation.ts';
import { requireWeights } from './init.ts';
import { orStop, sayHowFar } from './progress.ts';
import { shareOf } from './rankSharing.ts';
import { openToResume } from './resume.ts';
import { trainRun, type TrainRunOptions } from './trainRun.ts';
import { shellWord } from '../run/shellWord.ts';

const SYNTHETIC_FOLDER = join('data', 'synthetic-idrid');

/** The demonstration's pictures: as many as teach grades, and a test split whose intervals say something, in 20 seconds of drawing. */
const DEMONSTRATION = { segmentationTrain: 48, segmentationTest: 48, gradingTrain: 160, gradingTest: 66 };

/** A training that begins. */
export interface NewTraining {
  /** All settings, as `resolveConfig` gives them. */
  readonly config: TrainConfig;
  /** A folder in IDRiD's layout, or a metadata JSON of `gmtl data prepare`. Default: a synthetic set, made where there is none. */
  readonly data?: string;
  /** The run folder to make. Default: `runs/<time>-<preset>`. */
  readonly folder?: string;
  /** Part of the folder's name. */
  readonly preset?: string;
}

const TRAINING = { config: 'record', data: 'path?', folder: 'path?', preset: 'text?' } as const;
const FOLD_OPTIONS = { adapter: 'text?', stop: 'record?' } as const;
const OPTIONS = { ...FOLD_OPTIONS, verify: 'flag?', test: 'flag?', ranks: 'anything?' } as const;

function checkTraining(what: string, training: NewTraining): void {
  checkAttributes(what, TRAINING, training);
  requireConfig(what, training.config);
}

/**
 * Trains a new run, printing as it goes. Aborting `stop` ends it where it can be resumed. A run that fails before its first step, or
 * is only verified, leaves no folder.
 *
 * @returns whether it is finished; false where it was asked to stop.
 * @throws GmtlError `train/metric`, `run/exists`, and as `openDataset` and `trainRun`.
 */
export async function startTraining(training: NewTraining, options: TrainRunOptions = {}): Promise<boolean> {
  checkTraining('startTraining', training);
  checkAttributes('startTraining', OPTIONS, options);
  const { config } = training;
  const { ranks = null, verify, stop } = options;
  if (ranks && verify)
    throw new GmtlError('ranks/verify', '--verify holds one step of one process: leave the launcher out');
  shareOf(config.training.accumulate, ranks ?? { rank: 0, size: 1 });
  if (config.training.init !== null) await requireWeights(config.training.init);
  if (ranks) return begin(training, options);
  return unlessStopped(stop, 'Stopped before the first step: there is nothing to go on from.', () =>
    begin(training, options),
  );
}

/** Makes and trains a run. Without ranks, which stop together once they step, aborting `stop` before the first step rejects with its reason. */
async function begin(training: NewTraining, options: TrainRunOptions): Promise<boolean> {
  const { config } = training;
  const { ranks = null } = options;
  const stop = ranks ? undefined : options.stop;
  const leads = (ranks?.rank ?? 0) === 0;
  // Rank 0 makes the synthetic set where there is none; the others read it then.
  const source = leads ? await sourceOf(training, stop) : '';
  const named = ranks ? (await gatherValues(ranks, source))[0] : source;
  const say = (text: string): void => (leads ? console.error(text) : undefined);
  const dataset = await openConfigured(named, config, orStop(stop, sayHowFar('pictures compared', say)));
  if (!leads) return trainRun({ run: null, config, dataset }, options);
  for (const note of dataset.notes) console.error(`note: ${note}`);
  const run = RunFolder.create(training);
  // Whatever goes wrong before the first step: a folder that is half made would stand in the way of the next try.
  try {
    run.writeConfig(config);
    await run.writeItems(dataset.items);
    const lock = await run.lock();
    try {
      return await trainRun({ run, config, dataset, lock }, options);
    } catch (error) {
      throw withWayOn(error, run);
    } finally {
      lock.release();
    }
  } finally {
    if (!run.hasProgress()) run.remove();
  }
}

/**
 * Trains `folds` runs, each validated on another part of the training images, and summarizes them (see `trainFolds`).
 *
 * @returns whether all are finished; false where one was asked to stop.
 * @throws GmtlError as {@link startTraining}.
 */
export async function startCrossValidation(
  training: NewTraining,
  folds: number,
  options: Pick<TrainRunOptions, 'adapter' | 'stop'> = {},
): Promise<boolean> {
  checkTraining('startCrossValidation', training);
  checkAttributes('startCrossValidation', { folds: 'extent' }, { folds });
  checkAttributes('startCrossValidation', FOLD_OPTIONS, options);
  if (training.config.training.init !== null) await requireWeights(training.config.training.init);
  const { stop } = options;
  return unlessStopped(stop, 'Stopped before a step of this fold.', async () => {
    const source = await sourceOf(training, stop);
    return trainFolds(await prepareFolds(training, training.config, folds, source, stop), options);
  });
}

/** How a run is gone on with. */
export interface ResumeOptions extends TrainRunOptions {
  /** Where the images are now: a folder in IDRiD's layout or a list. Default: where the run's list says. The run's splits stay. */
  readonly data?: string;
}

/**
 * Goes on with a run as if it had never stopped, or with a cross-validation. A run goes on on any number of ranks that
 * training.accumulate can be shared out over, whatever number it was begun on.
 * A run that was stopped before its first checkpoint begins anew.
 *
 * @param path the folder of either. @returns whether it is finished now; false where it was asked to stop.
 * @throws GmtlError `run/no-config`, `run/locked`, `run/changed`, and as `trainRun`.
 */
export async function resumeTraining(path: string, given: ResumeOptions = {}): Promise<boolean> {
  checkAttributes('resumeTraining', { path: 'path' }, { path });
  checkAttributes('resumeTraining', { ...OPTIONS, data: 'path?' }, given);
  if (given.ranks) return goOn(path, given);
  return unlessStopped(given.stop, 'Stopped before another step: the run is as it was.', () => goOn(path, given));
}

async function goOn(path: string, { data, ...options }: ResumeOptions): Promise<boolean> {
  const folder = resolve(path);
  const { ranks = null } = options;
  const heed = orStop(ranks ? undefined : options.stop);
  if (CrossValidationFolder.isAt(folder)) {
    if (ranks)
      throw new GmtlError('ranks/folds', 'a cross-validation goes on in one process: start its folds one by one');
    return trainFolds(new CrossValidationFolder(folder), { ...options, data });
  }
  const run = RunFolder.open(folder);
  const config = run.config();
  shareOf(config.training.accumulate, ranks ?? { rank: 0, size: 1 });
  if ((ranks?.rank ?? 0) > 0) {
    const prepared = await openToResume(run, data);
    return trainRun({ run: null, ...prepared, rankedSteps: await run.checkpoints.rankedSteps() }, options);
  }
  // Before the checkpoint is read: whoever had the lock may have saved a newer one while this process waited.
  const lock = await run.lock();
  try {
    const prepared = await openToResume(run, data, heed);
    if (!prepared.resume) console.error('note: the run has no checkpoint yet: it begins anew');
    return await trainRun({ run, lock, ...prepared }, options);
  } catch (error) {
    throw withWayOn(error, run);
  } finally {
    lock.release();
  }
}

/** The error of a full disk, with how the run goes on: the same command again would begin another. Others pass unchanged. */
export function withWayOn(error: unknown, run: RunFolder): unknown {
  if (!(error instanceof GmtlError && ['io/disk-full', 'io/quota'].includes(error.code))) return error;
  if (!run.checkpoints.has('last')) return error;
  const message = `${error.message}\nThis run goes on with: npx gmtl train --resume ${shellWord(run.path)}`;
  return new GmtlError(error.code, message, { cause: error });
}

/** False, and a word about it, where the work rejects because it was asked to stop. */
async function unlessStopped(
  stop: AbortSignal | undefined,
  said: string,
  work: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return await work();
  } catch (error) {
    if (!stop?.aborted || error !== stop.reason) throw error;
    console.log(said);
    return false;
  }
}

/** Where the images are. Refuses what validation cannot rank by before images are made or read, which may take minutes. */
async function sourceOf({ config, data }: NewTraining, stop?: AbortSignal): Promise<string> {
  bestMetric(config.training.bestMetric);
  if (data !== undefined) return data;
  if (!existsSync(SYNTHETIC_FOLDER)) console.error(`Making the synthetic IDRiD-layout set in ${SYNTHETIC_FOLDER} …`);
  await generateSyntheticIdrid({ directory: SYNTHETIC_FOLDER, ...DEMONSTRATION, onProgress: orStop(stop) });
  return SYNTHETIC_FOLDER;
}
