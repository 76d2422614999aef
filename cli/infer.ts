/** `gmtl infer`: looks at images with a trained network. */
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import type { DeviceClass } from '../src/engine/gpu/kernel.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';
import { calibrationDoubts } from '../src/retina/evaluate/applyCalibration.ts';
import { calibrationIfAny, calibrationOf } from '../src/retina/run/calibration.ts';
import type { Calibration } from '../src/retina/run/calibrationFormat.ts';
import { adjustBy, type ReferralPolicy, referralPolicy } from '../src/retina/evaluate/referralPolicy.ts';
import { sampleRun } from '../src/retina/evaluate/sample.ts';
import { inferPictures } from '../src/retina/predict/inferPictures.ts';
import { openDicomOut } from '../src/retina/predict/dicomOut.ts';
import { expandFrames } from '../src/retina/predict/frames.ts';
import { collectInputs, type InferInput, nameInputs } from '../src/retina/predict/inputs.ts';
import { Journal, modelHash } from '../src/retina/predict/journal.ts';
import { readManifest, readPaths } from '../src/retina/predict/manifest.ts';
import { loadEnsemble, openEnsemble, type TrainedEnsemble } from '../src/retina/predict/openEnsemble.ts';
import { requirePatientsFile, writePatients } from '../src/retina/predict/patients.ts';
import { MOST_THREADS } from '../src/retina/predict/pictureThreads.ts';
import { provenanceOf } from '../src/retina/predict/provenance.ts';
import { lockResults, openResults } from '../src/retina/predict/results.ts';
import { parseShard, partOf, type Shard, shardFolder } from '../src/retina/predict/shard.ts';
import type { RunLock } from '../src/retina/run/lock.ts';
import { trainingSetOf } from '../src/retina/run/trainingSet.ts';
import { trainedOnText } from '../src/retina/run/trainingSetFormat.ts';
import { newestRun } from '../src/retina/run/trainedWeights.ts';
import {
  type InferArguments,
  inferOptions,
  leastOf,
  requireThreshold,
  sayCalibration,
  settingsOf,
  TILINGS,
} from './inferOptions.ts';
import { startPictures } from './pictureProgress.ts';
import { STANDARD_INPUT } from './options.ts';
import { stoppable } from './stopping.ts';

async function infer(args: InferArguments): Promise<void> {
  const { images = [], sample, tta: flips } = args;
  if (sample !== undefined) return inferSample({ ...args, sample });
  if (images.length === 0 && args.manifest === undefined) {
    throw new GmtlError('cli/usage', 'name images or folders of them, or draw some of a run with --sample 20');
  }
  requireThreshold(args);
  if (
    args.threads !== undefined &&
    !(Number.isInteger(args.threads) && args.threads >= 0 && args.threads <= MOST_THREADS)
  ) {
    throw new GmtlError('cli/usage', `--threads ${args.threads}: give a whole number from 0 to ${MOST_THREADS}`);
  }
  if (args.batch !== undefined && !(Number.isInteger(args.batch) && args.batch >= 1)) {
    throw new GmtlError('cli/usage', `--batch ${args.batch}: give a whole number from 1 on`);
  }
  const shard = args.shard === undefined ? null : parseShard(args.shard, process.env);
  const everything = await listInputs(images, args.manifest, args.recursive);
  const inputs = await expandFrames(shard ? partOf(everything, shard) : everything, {
    frame: args.frame,
    dicomOut: args['dicom-out'] !== undefined,
  });
  const out = shard ? join(args.out, shardFolder(shard)) : args.out;
  if (inputs.length === 0) {
    console.error(`The list has ${everything.length} pictures: none is for shard ${shard?.index} of ${shard?.count}.`);
  }
  const { members, trained, ensemble } = await loadEnsemble(args.run ?? newestRun('runs'), args.config, args.weights);
  const stored = await (args.calibrated === true ? calibrationOf : calibrationIfAny)(trained.path, ensemble);
  const doubts = stored ? calibrationDoubts(stored, { ...trained, flips, tiles: args.tiles }) : [];
  const policy = referralPolicy(stored, doubts, args.ungradable);
  const lock = await lockResults(out, console.error);
  try {
    await inferInto(args, {
      out,
      lock,
      shard,
      everything: everything.length,
      inputs,
      members,
      trained,
      stored,
      doubts,
      policy,
    });
  } finally {
    lock.release();
  }
}

/** What {@link infer} has found out. */
interface Prepared extends Pick<TrainedEnsemble, 'members' | 'trained'> {
  readonly out: string;
  readonly lock: RunLock;
  readonly shard: Shard | null;
  /** Pictures of the list, all shards together. */
  readonly everything: number;
  /** Pictures of this shard, or of all. */
  readonly inputs: readonly InferInput[];
  /** The run's calibration, and what speaks against it here. */
  readonly stored: Calibration | null;
  readonly doubts: readonly string[];
  readonly policy: ReferralPolicy;
}

/** Looks at the pictures, and writes into a folder that is this process's. */
async function inferInto(
  args: InferArguments,
  { out, lock, shard, everything, inputs, members, trained, stored, doubts, policy }: Prepared,
): Promise<void> {
  const { tta: flips, precision } = args;
  const calibration = args.calibrated === false ? null : stored;
  const results = await openResults(out, inputs, args.overwrite || args.resume, lock);
  if (!shard) requirePatientsFile(results.table.path);
  if (args['dicom-out'] !== undefined) openDicomOut(args['dicom-out'], inputs);
  const settings = settingsOf(args, trained.config, stored, calibration);
  const resume = args.resume ? { journal: new Journal(out), model: modelHash(trained.weights, settings) } : null;
  const choice = args.run === undefined ? ' (the newest run here)' : '';
  if (args.tiles !== 'auto' && args.tiles !== 'off' && trained.config.data.tiles.mode !== 'on') {
    console.error(
      `warning: this network was trained on whole pictures of ${trained.config.data.imageSize} pixels, not on tiles: with --tiles ${args.tiles} it sees lesions at a scale that it does not know`,
    );
  }
  const trainingSet = trainingSetOf(trained.path);
  for (const { path, step, averaged } of members) {
    console.error(
      `network  ${path}${choice}${step === undefined ? '' : `, step ${step}`}${averaged ? ', averaged weights' : ''}`,
    );
  }
  if (members.length > 1) console.error(`ensemble of ${members.length}: their mean; what follows is of the first`);
  console.error(`trained  on ${trainedOnText(trainingSet)}`);
  sayCalibration(calibration, doubts);
  console.error(`referral ${policy.note}`);
  const threads = args.threads ?? threadsFor(inputs.length);
  const lacking = poolNote(threads, process.env.UV_THREADPOOL_SIZE);
  if (lacking !== null) console.error(lacking);
  const progress = startPictures(inputs.length, args.identifiers);
  const { looked, skipped, failed, recorded, completed, firstFailed } = await withEngine(
    { adapter: args.adapter, seed: trained.config.training.seed },
    async ({ engine, device, opened }) => {
      console.error(`adapter  ${device.name}: ${opened.reason}`);
      const predictor = openEnsemble(engine, members, { trainingSet, note: console.error, precision });
      try {
        return await stoppable('Stopping after the pictures under way.', (stop) =>
          inferPictures(predictor, inputs, results, {
            choice: args.task,
            ungradable: args.ungradable,
            threshold: leastOf(args.threshold, calibration),
            flips,
            tiling: TILINGS[args.tiles],
            write: { masks: args.masks, overlays: args.overlays },
            adjust: adjustBy(policy, calibration),
            onPicture: progress.show,
            dicomOut: args['dicom-out'],
            referralNote: policy.note,
            provenance: provenanceOf(trained, device.name),
            threads,
            batch: args.batch ?? batchFor(device.target.deviceClass, everything),
            resume,
            stop,
          }),
        );
      } finally {
        progress.stop();
        resume?.journal.close();
        predictor.dispose();
      }
    },
  ).catch(async (error: unknown) => {
    if (!shard) await writePatientsAnyway(results.table.path);
    throw error;
  });
  const done = looked - failed;
  if (recorded > 0) console.error(`recorded ${recorded} of ${inputs.length} images were done before`);
  if (completed > 0) {
    console.error(
      `again    ${completed} of ${inputs.length} images were done before, but not all files that are asked for were there`,
    );
  }
  if (skipped > 0) console.error(`skipped  ${skipped} of ${inputs.length} images that cannot be graded`);
  if (done > 0) console.error(`results  ${resolve(out)}`);
  // The other eye of a patient may be in another shard: gmtl merge has them all.
  const patients = shard ? null : await writePatients(results.table.path);
  if (patients !== null) console.error(`patients ${patients}`);
  if (looked < inputs.length) console.error(`stopped  ${looked} of ${inputs.length} images were looked at`);
  else if (failed > 0) {
    throw new GmtlError(
      done > 0 ? 'infer/some-failed' : 'infer/failed',
      `${failed} of ${inputs.length} images failed: ${firstFailed.join(', ')}${failed > firstFailed.length ? ' …' : ''}${done > 0 ? '. The others are done.' : ''}`,
    );
  }
}

/** The patients of the pictures that an error left: the table has them. What goes wrong here is said, and is not what ended the work. */
async function writePatientsAnyway(table: string): Promise<void> {
  try {
    const patients = await writePatients(table);
    if (patients !== null) console.error(`patients ${patients}`);
  } catch (error) {
    console.error(`warning: the table of patients lacks the last pictures: ${(error as Error).message}`);
  }
}

/** Threads cost a second to start, and some 100 MB each. */
const PICTURES_PER_THREAD = 8;
const MOST_BY_DEFAULT = 16;
export const threadsFor = (pictures: number): number =>
  Math.min(availableParallelism(), MOST_BY_DEFAULT, Math.floor(pictures / PICTURES_PER_THREAD));

/** Threads of libuv's pool, which decode for all of Node's threads, where nothing else is said. */
const USUAL_POOL = 4;

/** What is said where the threads wait for each other to decode; null where they do not. Setting the variable from within has no effect: loading modules fills the pool. */
export function poolNote(threads: number, pool: string | undefined): string | null {
  const size = Number(pool) >= 1 ? Number(pool) : USUAL_POOL;
  if (threads <= size) return null;
  return `note: ${threads} threads share the ${size} that Node decodes with. For more, start with UV_THREADPOOL_SIZE=${threads} in the environment`;
}

/** Pictures of a batch. The list as a whole decides, so that a shard's results do not depend on its share. */
export const batchFor = (deviceClass: DeviceClass, pictures: number): number =>
  deviceClass === 'software' || pictures === 1 ? 1 : 8;

/** The pictures that the words, the list and standard input (`-`) name. */
export async function listInputs(
  images: readonly string[],
  manifest: string | undefined,
  recursive: boolean,
): Promise<InferInput[]> {
  if (manifest !== undefined) {
    if (images.length > 0) throw new GmtlError('cli/usage', '--manifest names the pictures: leave out the others');
    return nameInputs(await readManifest(manifest));
  }
  if (!images.includes(STANDARD_INPUT)) return collectInputs(images, { recursive });
  const named = [...images.filter((image) => image !== STANDARD_INPUT), ...(await readPaths(process.stdin))];
  if (named.length === 0) throw new GmtlError('infer/no-input', 'standard input names no picture: give a path a line');
  return collectInputs(named, { recursive });
}

async function inferSample(args: InferArguments & { sample: number }): Promise<void> {
  const { images = [], sample: count, seed, precision, data } = args;
  const refused = [...(images.length > 0 ? ['images'] : []), ...(args.config === undefined ? [] : ['--config'])];
  if (refused.length > 0) {
    throw new GmtlError(
      'cli/usage',
      `--sample draws its images from a run's split: leave out ${refused.join(' and ')}`,
    );
  }
  if (!Number.isInteger(count) || count < 1) {
    throw new GmtlError('cli/usage', `--sample ${count}: give how many images to draw, a whole number from 1 on`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new GmtlError('cli/usage', `--seed ${seed}: give a whole number from 0 to 4294967295`);
  }
  await sampleRun({
    ...{ count, seed, split: args.split, weights: args.weights, flips: args.tta, adapter: args.adapter },
    ...{ run: args.run ?? newestRun('runs'), folder: args.out, overwrite: args.overwrite },
    ...{ data, precision },
    print: console.log,
    note: console.error,
  });
}

export const inferCommand: CommandModule<object, InferArguments> = {
  command: 'infer [images..]',
  describe: 'Predict the gated task, lesion masks and grades of images with a trained network',
  builder: (yargs) =>
    yargs
      .positional('images', { type: 'string', array: true, describe: 'Image files, or folders of them' })
      .options(inferOptions),
  handler: infer,
};
