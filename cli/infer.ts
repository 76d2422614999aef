/** `gmtl infer`: looks at images with a trained network. */
import { resolve } from 'node:path';
import type { CommandModule, InferredOptionTypes, Options } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';
import { calibratedThresholds, calibrateResult, calibrationDoubts } from '../src/retina/evaluate/applyCalibration.ts';
import { calibrationOf } from '../src/retina/run/calibration.ts';
import { sampleRun } from '../src/retina/evaluate/sample.ts';
import { inferPictures, outcomeLines, type PictureOutcome } from '../src/retina/predict/inferPictures.ts';
import { collectInputs } from '../src/retina/predict/inputs.ts';
import { openPredictor } from '../src/retina/predict/openPredictor.ts';
import { openResults } from '../src/retina/predict/results.ts';
import { SYSTEM_A_TILING, type Tiling } from '../src/retina/predict/slidingWindow.ts';
import { loadTrainedWeights, newestRun } from '../src/retina/run/trainedWeights.ts';
import { adapterOption, flipsOption, precisionOption, weightsOption } from './options.ts';
import { stoppable } from './stopping.ts';

/** Masks predicted as in training, from the whole picture, from tiles at the training scale, or in System A's way. */
const TILINGS = { auto: undefined, off: null, on: {}, router: SYSTEM_A_TILING } as const satisfies Record<
  string,
  Tiling | null | undefined
>;

const inferOptions = {
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
      'Run folder, checkpoint manifest (.json) or .safetensors file. Default: the newest run in ./runs (--checkpoint is its old name)',
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
  out: {
    type: 'string',
    default: 'infer',
    describe: 'Folder for masks, overlays and the table predictions.csv (with --sample: grid, report and table)',
  },
  overwrite: { type: 'boolean', default: false, describe: 'Replace earlier results in the folder' },
  precision: precisionOption,
  adapter: adapterOption,
} as const satisfies Record<string, Options>;

type InferArguments = InferredOptionTypes<typeof inferOptions> & { images?: string[] };

async function infer(args: InferArguments): Promise<void> {
  const { images = [], sample, threshold = 0.5, tta: flips, precision, out } = args;
  if (sample !== undefined) return inferSample({ ...args, sample });
  if (images.length === 0) {
    throw new GmtlError('cli/usage', 'name images or folders of them, or draw some of a run with --sample 20');
  }
  if (!(threshold > 0 && threshold < 1)) {
    throw new GmtlError('cli/usage', `--threshold ${threshold}: give a probability between 0 and 1, both excluded`);
  }
  if (args.calibrated && args.threshold !== undefined) {
    throw new GmtlError('cli/usage', '--calibrated takes its thresholds from the run: leave out --threshold');
  }
  const inputs = collectInputs(images);
  const trained = await loadTrainedWeights(args.run ?? newestRun('runs'), args.config, args.weights);
  const calibration = args.calibrated ? await calibrationOf(trained.path) : null;
  const results = openResults(out, inputs, args.overwrite);
  const choice = args.run === undefined ? ' (the newest run here)' : '';
  const step = trained.step === undefined ? '' : `, step ${trained.step}`;
  console.error(`network  ${trained.path}${choice}${step}${trained.averaged ? ', averaged weights' : ''}`);
  if (calibration) {
    console.error(`calibrated on ${calibration.fittedOn.images.length} validation images`);
    for (const doubt of calibrationDoubts(calibration, { ...trained, flips })) {
      console.error(`warning: the calibration may not fit: ${doubt}`);
    }
  }
  const outcomes = await withEngine(
    { adapter: args.adapter, seed: trained.config.training.seed },
    async ({ engine, device, opened }) => {
      console.error(`adapter  ${device.name} (${opened.reason})`);
      const predictor = openPredictor(engine, { ...trained, note: console.error, precision });
      try {
        return await stoppable('Stopping after this picture.', (stop) =>
          inferPictures(predictor, inputs, results, {
            choice: args.task,
            threshold: calibration ? calibratedThresholds(calibration) : threshold,
            flips,
            tiling: TILINGS[args.tiles],
            adjust: calibration ? (result) => calibrateResult(result, calibration) : undefined,
            onPicture: (outcome, index) => show(outcome, inputs.length > 1 ? `${index + 1}/${inputs.length}  ` : ''),
            stop,
          }),
        );
      } finally {
        predictor.dispose();
      }
    },
  );
  const failed = outcomes.filter((outcome) => 'error' in outcome).map(({ input }) => input.path);
  const done = outcomes.length - failed.length;
  if (done > 0) console.error(`results  ${resolve(out)}`);
  if (outcomes.length < inputs.length)
    console.error(`stopped  ${outcomes.length} of ${inputs.length} images were looked at`);
  else if (failed.length > 0) {
    throw new GmtlError(
      done > 0 ? 'infer/some-failed' : 'infer/failed',
      `${failed.length} of ${inputs.length} images failed: ${failed.join(', ')}${done > 0 ? '. The others are done.' : ''}`,
    );
  }
}

/** An outcome as JSON on stdout for programs, and in lines on stderr for people. */
function show(outcome: PictureOutcome, progress: string): void {
  const { input, ...rest } = outcome;
  const record =
    'error' in rest
      ? { file: input.path, error: { code: rest.error.code, message: rest.error.message } }
      : { ...rest.result, files: rest.files, milliseconds: rest.milliseconds };
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
