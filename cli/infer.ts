/** `gmtl infer`: looks at images with a trained network. */
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandModule, InferredOptionTypes, Options } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import type { DeviceClass } from '../src/engine/gpu/kernel.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';
import { calibratedThresholds, calibrateResult, calibrationDoubts } from '../src/retina/evaluate/applyCalibration.ts';
import { calibrationIfAny, calibrationOf } from '../src/retina/run/calibration.ts';
import { referralPolicy } from '../src/retina/evaluate/referralPolicy.ts';
import { sampleRun } from '../src/retina/evaluate/sample.ts';
import { inferPictures, outcomeLines, type PictureOutcome } from '../src/retina/predict/inferPictures.ts';
import { openDicomOut } from '../src/retina/predict/dicomOut.ts';
import { expandFrames } from '../src/retina/predict/frames.ts';
import { collectInputs, type InferInput, nameInputs } from '../src/retina/predict/inputs.ts';
import { Journal, modelHash } from '../src/retina/predict/journal.ts';
import { readManifest, readPaths } from '../src/retina/predict/manifest.ts';
import { loadEnsemble, openEnsemble } from '../src/retina/predict/openEnsemble.ts';
import { requirePatientsFile, writePatients } from '../src/retina/predict/patients.ts';
import { provenanceOf } from '../src/retina/predict/provenance.ts';
import { withoutIdentifiers } from '../src/retina/predict/result.ts';
import { openResults } from '../src/retina/predict/results.ts';
import { parseShard, partOf, shardFolder } from '../src/retina/predict/shard.ts';
import { formatDuration } from '../src/retina/train/progress.ts';
import { SYSTEM_A_TILING, type Tiling } from '../src/retina/predict/slidingWindow.ts';
import { trainingSetOf } from '../src/retina/run/trainingSet.ts';
import { trainedOnText } from '../src/retina/run/trainingSetFormat.ts';
import { newestRun } from '../src/retina/run/trainedWeights.ts';
import { adapterOption, flipsOption, precisionOption, weightsOption } from './options.ts';
import { stoppable } from './stopping.ts';

/** Masks predicted as in training, from the whole picture, from tiles at the training scale, or in System A's way. */
export const TILINGS = { auto: undefined, off: null, on: {}, router: SYSTEM_A_TILING } as const satisfies Record<
  string,
  Tiling | null | undefined
>;

export const inferOptions = {
  sample: {
    type: 'number',
    describe: "Draw so many random images of the run's own data instead, and show predictions beside the truth",
  },
  split: {
    choices: ['test', 'val', 'train'],
    default: 'test',
    describe: 'With --sample: the split to draw from',
  },
  seed: { type: 'number', default: 0, describe: 'With --sample: seed of the draw' },
  data: {
    type: 'string',
    describe: "With --sample: where the images are, if not where the run's list says",
  },
  run: {
    alias: 'checkpoint',
    type: 'string',
    describe:
      'Run folder, checkpoint manifest (.json) or .safetensors file; several, separated by commas, answer as one. Default: the newest run in ./runs (--checkpoint is its old name)',
  },
  config: { type: 'string', describe: 'Configuration (JSON) that goes with a bare .safetensors file' },
  weights: weightsOption,
  task: {
    choices: ['gate', 'both', 'segmentation', 'classification'],
    default: 'both',
    describe: 'Which expert sees an image: both, the one the gate chooses, or always the same',
  },
  threshold: { type: 'number', describe: 'Least probability of a mask pixel. Default: 0.5' },
  calibrated: {
    type: 'boolean',
    default: false,
    describe: "Use the temperatures and thresholds that `gmtl evaluate` fitted on the run's validation images",
  },
  tta: flipsOption,
  tiles: {
    choices: ['auto', 'off', 'on', 'router'],
    default: 'auto',
    describe:
      'Masks from overlapping tiles (on), the whole picture (off), as the network was trained (auto), or from tiles fused by the router (router)',
  },
  ungradable: {
    choices: ['refer', 'skip', 'warn'],
    default: 'warn',
    describe:
      'A picture that cannot be graded (focus, exposure, field, size): predict it with a warning and be not sure of it (warn), refer it, or leave it out (skip)',
  },
  out: {
    type: 'string',
    default: 'infer',
    describe: 'Folder for masks, overlays and the table predictions.csv (with --sample: grid, report and table)',
  },
  masks: { type: 'boolean', default: true, describe: 'Write the masks as PNG; --no-masks for large runs' },
  overlays: { type: 'boolean', default: true, describe: 'Draw the overlays; --no-overlays for large runs' },
  overwrite: { type: 'boolean', default: false, describe: 'Replace earlier results in the folder' },
  manifest: { type: 'string', describe: 'List of pictures: .csv or .jsonl with path, optionally id, patient and eye' },
  frame: {
    type: 'number',
    describe: 'Of DICOM files with several frames, this one alone (from 1). Default: all, each with results of its own',
  },
  'dicom-out': {
    type: 'string',
    describe:
      'Folder for DICOM files too: masks as Segmentation, grades as structured report; for DICOM photographs alone',
  },
  identifiers: {
    type: 'boolean',
    default: false,
    describe: 'Print patient and study of DICOM files too; the tables always have them',
  },
  recursive: { type: 'boolean', default: false, describe: 'Search subfolders too' },
  shard: {
    type: 'string',
    describe: 'Only part i/n of the list, into OUT/shard-i-of-n; auto or auto/n: as the launcher numbers its processes',
  },
  resume: {
    type: 'boolean',
    default: false,
    describe: 'Keep a record of what is done, and leave out pictures that it has, by content, network and options',
  },
  threads: {
    type: 'number',
    describe:
      'Threads that decode and write pictures beside the device. Default: 0 for a few pictures, else as many as there are cores, at most 16',
  },
  batch: {
    type: 'number',
    describe: 'Pictures that the device takes at once. Default: 1 on a software adapter and for one picture, else 8',
  },
  precision: precisionOption,
  adapter: adapterOption,
} as const satisfies Record<string, Options>;

type InferArguments = InferredOptionTypes<typeof inferOptions> & { images?: string[] };

async function infer(args: InferArguments): Promise<void> {
  const { images = [], sample, threshold = 0.5, tta: flips, precision } = args;
  if (sample !== undefined) return inferSample({ ...args, sample });
  if (images.length === 0 && args.manifest === undefined) {
    throw new GmtlError('cli/usage', 'name images or folders of them, or draw some of a run with --sample 20');
  }
  if (!(threshold > 0 && threshold < 1)) {
    throw new GmtlError('cli/usage', `--threshold ${threshold}: give a probability between 0 and 1, both excluded`);
  }
  if (args.calibrated && args.threshold !== undefined) {
    throw new GmtlError('cli/usage', '--calibrated takes its thresholds from the run: leave out --threshold');
  }
  if (args.threads !== undefined && !(Number.isInteger(args.threads) && args.threads >= 0)) {
    throw new GmtlError('cli/usage', `--threads ${args.threads}: give a whole number from 0 on`);
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
  const stored = await (args.calibrated ? calibrationOf : calibrationIfAny)(trained.path, ensemble);
  const calibration = args.calibrated ? stored : null;
  const doubts = stored ? calibrationDoubts(stored, { ...trained, flips, tiles: args.tiles }) : [];
  const policy = referralPolicy(stored, doubts, args.ungradable);
  const results = await openResults(out, inputs, args.overwrite || args.resume);
  if (!shard) requirePatientsFile(results.table.path);
  if (args['dicom-out'] !== undefined) openDicomOut(args['dicom-out'], inputs);
  const settings = { config: trained.config, calibration: stored, calibrated: args.calibrated, ...pickSettings(args) };
  const resume = args.resume ? { journal: new Journal(out), model: modelHash(trained.weights, settings) } : null;
  const progress = startPictures(inputs.length);
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
  if (calibration) {
    console.error(`calibrated on ${calibration.fittedOn.images.length} validation images`);
    for (const doubt of doubts) console.error(`warning: the calibration may not fit: ${doubt}`);
  }
  console.error(`referral ${policy.note}`);
  const { looked, skipped, failed, firstFailed } = await withEngine(
    { adapter: args.adapter, seed: trained.config.training.seed },
    async ({ engine, device, opened }) => {
      console.error(`adapter  ${device.name}: ${opened.reason}`);
      const predictor = openEnsemble(engine, members, { trainingSet, note: console.error, precision });
      try {
        return await stoppable('Stopping after the pictures under way.', (stop) =>
          inferPictures(predictor, inputs, results, {
            choice: args.task,
            ungradable: args.ungradable,
            threshold: calibration ? calibratedThresholds(calibration) : threshold,
            flips,
            tiling: TILINGS[args.tiles],
            write: { masks: args.masks, overlays: args.overlays },
            adjust: (result) => {
              const referred = policy.refer(result);
              return calibration ? calibrateResult(referred, calibration) : referred;
            },
            onPicture: (outcome) => show(outcome, progress(outcome), args.identifiers),
            dicomOut: args['dicom-out'],
            provenance: provenanceOf(trained, device.name),
            threads: args.threads ?? threadsFor(inputs.length),
            batch: args.batch ?? batchFor(device.target.deviceClass, everything.length),
            resume,
            stop,
          }),
        );
      } finally {
        predictor.dispose();
      }
    },
  );
  const done = looked - failed;
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

/** Threads cost a second to start, and some 100 MB each. */
const PICTURES_PER_THREAD = 8;
const MOST_THREADS = 16;
export const threadsFor = (pictures: number): number =>
  Math.min(availableParallelism(), MOST_THREADS, Math.floor(pictures / PICTURES_PER_THREAD));

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
  const named = images.includes('-')
    ? [...images.filter((image) => image !== '-'), ...(await readPaths(process.stdin))]
    : images;
  return collectInputs(named, { recursive });
}

/** The options that decide what a result is. */
export const pickSettings = ({
  task,
  threshold,
  tta,
  tiles,
  precision,
  weights,
  ungradable,
}: Pick<InferArguments, 'task' | 'threshold' | 'tta' | 'tiles' | 'precision' | 'weights' | 'ungradable'>) => ({
  ...{ task, threshold, tta, tiles, precision, weights, ungradable },
  // Results of other versions hold other things: they are not gone on from.
  results: 5,
});

/** Counts pictures: where the work is, its rate, and when it ends. */
function startPictures(total: number): (outcome: PictureOutcome) => string {
  let index = 0;
  let computed = 0;
  const started = performance.now();
  return (outcome) => {
    index++;
    if (total === 1) return '';
    // Those that a resumed run leaves out take no time.
    if (!('milliseconds' in outcome) || outcome.milliseconds > 0) computed++;
    const seconds = (performance.now() - started) / 1000;
    const rate = computed / seconds;
    const left = computed > 0 ? `, ${rate.toFixed(1)}/s, ${formatDuration((total - index) / rate)} left` : '';
    return `${index}/${total}${left}  `;
  };
}

/** An outcome as JSON on stdout for programs, and in lines on stderr for people. */
export function show(outcome: PictureOutcome, progress: string, identifiers: boolean): void {
  const { input, ...rest } = outcome;
  const record =
    'error' in rest
      ? {
          file: input.path,
          ...(input.frame && { dicom: { frame: input.frame } }),
          ...input.entry,
          error: { code: rest.error.code, message: rest.error.message },
        }
      : {
          ...input.entry,
          ...(identifiers ? rest.result : withoutIdentifiers(rest.result)),
          files: rest.files,
          milliseconds: rest.milliseconds,
        };
  console.log(JSON.stringify(record));
  const [first, ...more] = outcomeLines(outcome);
  for (const line of [`${progress}${first}`, ...more]) console.error(line);
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
