import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import type { Split } from '../src/retina/domain.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { calibrateResult, calibrationDoubts, calibrationOf } from '../src/retina/evaluate/applyCalibration.ts';
import { inferImage, resultFiles, summary, writeResults } from '../src/retina/predict/image.ts';
import { collectInputs, type InferInput } from '../src/retina/predict/inputs.ts';
import { loadTrainedWeights, newestRun } from '../src/retina/run/trainedWeights.ts';
import { PredictionsTable } from '../src/retina/predict/predictionsTable.ts';
import { describeWriteError } from '../src/engine/node/atomic.ts';
import { buildModel } from '../src/retina/network/build.ts';
import type { TaskChoice } from '../src/retina/predict/predict.ts';
import { calibratedThresholds } from '../src/retina/evaluate/calibration.ts';
import { restoreWeights } from '../src/retina/network/weights.ts';
import { SYSTEM_A_TILING, type Tiling } from '../src/retina/predict/tiling.ts';
import { inferSample } from './sample.ts';
import { precisionOption, withPrecision } from './precision.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';
import { adapterOption } from './options.ts';

interface InferArguments {
  images?: string[];
  sample?: number;
  split: Split;
  seed: number;
  data?: string;
  checkpoint?: string;
  config?: string;
  weights: 'average' | 'raw';
  task: TaskChoice;
  threshold?: number;
  calibrated: boolean;
  tta: boolean;
  tiles: keyof typeof TILINGS;
  out: string;
  overwrite: boolean;
  precision?: 'f32' | 'f16';
  adapter: string;
}

/** Masks as the network was trained, from the whole picture, from tiles of its training's scale, or System A's way. */
const TILINGS = { auto: undefined, off: null, on: {}, router: SYSTEM_A_TILING } as const satisfies Record<
  string,
  Tiling | null | undefined
>;

/** What can be wrong with one image and leaves the others as they are. */
const IMAGE_FAULTS = ['data/image-unreadable', 'infer/no-fundus'];

/** Makes the folder, and refuses before anything is computed what could not be written in the end. */
function prepareFolder(folder: string, inputs: readonly InferInput[], overwrite: boolean): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw describeWriteError(error, folder);
  }
  const sources = new Set(inputs.map(({ path }) => resolve(path)));
  const files = inputs.flatMap(({ name }) => {
    const { overlay, masks } = resultFiles(folder, name);
    return [overlay, ...Object.values(masks)];
  });
  for (const file of files) {
    if (sources.has(resolve(file))) {
      throw new GmtlError(
        'infer/exists',
        `${file} is an image to look at and would be overwritten: choose another --out`,
      );
    }
    if (!overwrite && existsSync(file)) {
      throw new GmtlError(
        'infer/exists',
        `${file} is there already. Add --overwrite to replace earlier results, or choose another folder with --out.`,
      );
    }
  }
}

async function infer(args: InferArguments): Promise<void> {
  const { images = [], sample, threshold = 0.5, tta: flips } = args;
  if (sample !== undefined) {
    const refused = [...(images.length > 0 ? ['images'] : []), ...(args.config === undefined ? [] : ['--config'])];
    if (refused.length > 0) {
      throw new GmtlError(
        'cli/usage',
        `--sample draws its images from a run's split: leave out ${refused.join(' and ')}`,
      );
    }
    return inferSample({ ...args, sample });
  }
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
  const checkpoint = args.checkpoint ?? newestRun('runs');
  const trained = await loadTrainedWeights(checkpoint, args.config, args.weights);
  const calibration = args.calibrated ? await calibrationOf(trained.path) : null;
  prepareFolder(args.out, inputs, args.overwrite);
  const table = PredictionsTable.open(args.out);
  const choice = args.checkpoint === undefined ? ' (the newest run here)' : '';
  const step = trained.step === undefined ? '' : `, step ${trained.step}`;
  console.error(`network  ${trained.path}${choice}${step}${trained.averaged ? ', averaged weights' : ''}`);
  if (calibration) {
    console.error(`calibrated on ${calibration.fittedOn.images.length} validation images`);
    for (const doubt of calibrationDoubts(calibration, { ...trained, flips })) {
      console.error(`warning: the calibration may not fit: ${doubt}`);
    }
  }
  const tiling = TILINGS[args.tiles];
  const failed: string[] = [];
  const engineOptions = { adapter: args.adapter, seed: trained.config.training.seed };
  await withEngine(engineOptions, async ({ engine, device, opened }) => {
    console.error(`adapter  ${device.name} (${opened.reason})`);
    const model = buildModel(engine, withPrecision(engine, trained.config, args.precision));
    restoreWeights(model, trained.weights, trained.path);
    try {
      for (const [index, input] of inputs.entries()) {
        const progress = inputs.length > 1 ? `${index + 1}/${inputs.length}  ` : '';
        const start = performance.now();
        try {
          const plain = await inferImage(engine, model, trained.config, input.path, {
            choice: args.task,
            threshold: calibration ? calibratedThresholds(calibration) : threshold,
            flips,
            ...(tiling !== undefined && { tiling }),
          });
          const inferred = calibration ? { ...plain, result: calibrateResult(plain.result, calibration) } : plain;
          const written = await writeResults(args.out, input, inferred);
          await table.add(inferred.result);
          const milliseconds = Math.round(performance.now() - start);
          console.log(JSON.stringify({ ...inferred.result, files: written, milliseconds }));
          console.error(`${progress}${summary(inferred.result)}`);
          const { lesions } = inferred.result;
          if (lesions) {
            const parts = Object.entries(lesions).map(
              ([lesion, { share, regions }]) => `${lesion} ${(100 * share).toFixed(2)} % (${regions})`,
            );
            console.error(`    share of the frame (regions): ${parts.join(', ')}`);
          }
          for (const warning of inferred.result.warnings) console.error(`warning: ${input.path}: ${warning}`);
        } catch (error) {
          if (!(error instanceof GmtlError) || !IMAGE_FAULTS.includes(error.code)) throw error;
          failed.push(input.path);
          await table.add({ file: input.path, error: error.message });
          // Of a single image the error is the command's own; of several, the others go on.
          if (inputs.length === 1) throw error;
          console.log(JSON.stringify({ file: input.path, error: { code: error.code, message: error.message } }));
          console.error(`${progress}error: ${error.message}`);
        }
      }
    } finally {
      await table.write();
      model.dispose();
    }
  });
  if (failed.length < inputs.length) console.error(`results  ${resolve(args.out)}`);
  if (failed.length > 0) {
    throw new GmtlError(
      'infer/failed',
      `${failed.length} of ${inputs.length} images failed: ${failed.join(', ')}${failed.length < inputs.length ? '. The others are done.' : ''}`,
    );
  }
}

export const inferCommand: CommandModule<object, InferArguments> = {
  command: 'infer [images..]',
  describe: 'Predict the gated task, lesion masks and grades of images with a trained network',
  builder: (yargs) =>
    yargs
      .positional('images', {
        type: 'string',
        array: true,
        describe: 'Image files, or folders of them',
      })
      .option('sample', {
        type: 'number',
        describe: "Draw so many random images of the run's own data instead, and show predictions beside the truth",
      })
      .option('split', {
        choices: ['test', 'val', 'train'] as const,
        default: 'test' as Split,
        describe: 'With --sample: the split to draw from',
      })
      .option('seed', { type: 'number', default: 0, describe: 'With --sample: seed of the draw' })
      .option('data', {
        type: 'string',
        describe: "With --sample: where the images are, if not where the run's list says",
      })
      .option('checkpoint', {
        type: 'string',
        describe: 'Run folder, checkpoint manifest (.json) or .safetensors file. Default: the newest run in ./runs',
      })
      .option('config', { type: 'string', describe: 'Configuration (JSON) that goes with a bare .safetensors file' })
      .option('weights', {
        choices: ['average', 'raw'] as const,
        default: 'average' as const,
        describe: 'The moving average of the weights where the run kept one, or the weights themselves',
      })
      .option('task', {
        choices: ['gate', 'both', 'segmentation', 'classification'] as const,
        default: 'both' as TaskChoice,
        describe: 'Which expert sees an image: both, the one the gate chooses, or always the same',
      })
      .option('threshold', { type: 'number', describe: 'Least probability of a mask pixel. Default: 0.5' })
      .option('calibrated', {
        type: 'boolean',
        default: false,
        describe: "Use the temperatures and thresholds that `gmtl evaluate` fitted on the run's validation images",
      })
      .option('tta', {
        type: 'boolean',
        default: false,
        describe: 'Average the predictions of the picture and its mirror images (four times the work)',
      })
      .option('tiles', {
        choices: ['auto', 'off', 'on', 'router'] as const,
        default: 'auto' as const,
        describe:
          'Masks from overlapping tiles (on), the whole picture (off), as the network was trained (auto), or from tiles fused by the router (router)',
      })
      .option('out', {
        type: 'string',
        default: 'infer',
        describe: 'Folder for masks, overlays and the table predictions.csv (with --sample: grid, report and table)',
      })
      .option('overwrite', { type: 'boolean', default: false, describe: 'Replace earlier results in the folder' })
      .option('precision', precisionOption)
      .option('adapter', adapterOption),
  handler: infer,
};
