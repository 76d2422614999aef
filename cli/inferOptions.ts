/** The options of `gmtl infer`, which `gmtl worker` takes many of. */
import type { InferredOptionTypes, Options } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import { calibratedThresholds } from '../src/retina/evaluate/applyCalibration.ts';
import type { TrainConfig } from '../src/retina/config/schema.ts';
import type { Calibration } from '../src/retina/run/calibrationFormat.ts';
import { SYSTEM_A_TILING, type Tiling } from '../src/retina/predict/slidingWindow.ts';
import { adapterOption, flipsOption, precisionOption, weightsOption } from './options.ts';

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
  threshold: {
    type: 'number',
    describe: 'Least probability of a mask pixel. Default: as calibrated, else 0.5',
  },
  calibrated: {
    type: 'boolean',
    describe:
      "Use the temperatures and thresholds that `gmtl evaluate` fitted on the run's validation images (--no-calibrated: the network's own probabilities). Default: where there are such, as on the page and in exports",
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
      'A picture that cannot be graded (focus, exposure, field, size): predict it with a warning and do not decide on it (warn), refer it, or leave it out (skip)',
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

export type InferArguments = InferredOptionTypes<typeof inferOptions> & { images?: string[] };

/** What decides what a result is: the options, and what the run brings. */
export const settingsOf = (
  {
    task,
    threshold,
    tta,
    tiles,
    precision,
    weights,
    ungradable,
  }: Pick<InferArguments, 'task' | 'threshold' | 'tta' | 'tiles' | 'precision' | 'weights' | 'ungradable'>,
  config: TrainConfig,
  stored: Calibration | null,
  calibration: Calibration | null,
) => ({
  ...{ config, calibration: stored, calibrated: calibration !== null },
  ...{ task, threshold, tta, tiles, precision, weights, ungradable },
  // Results of other versions hold other things: they are not gone on from.
  results: 5,
});

/** The least probability of a mask pixel: what is given for all structures, else what was fitted for each, else 0.5. */
export const leastOf = (
  given: number | undefined,
  calibration: Calibration | null,
): number | Readonly<Record<string, number>> => given ?? (calibration ? calibratedThresholds(calibration) : 0.5);

/** @throws GmtlError `cli/usage` where the threshold is not a probability, or fitted ones are asked for too. */
export function requireThreshold({ calibrated, threshold }: Pick<InferArguments, 'calibrated' | 'threshold'>): void {
  if (threshold === undefined) return;
  if (!(threshold > 0 && threshold < 1)) {
    throw new GmtlError('cli/usage', `--threshold ${threshold}: give a probability between 0 and 1, both excluded`);
  }
  if (calibrated) {
    throw new GmtlError('cli/usage', '--calibrated takes its thresholds from the run: leave out --threshold');
  }
}

/** Says whether probabilities are calibrated, and what speaks against it. */
export function sayCalibration(calibration: Calibration | null, doubts: readonly string[]): void {
  if (!calibration) return;
  console.error(`calibrated on ${calibration.fittedOn.images.length} validation images (--no-calibrated: not)`);
  for (const doubt of doubts) console.error(`warning: the calibration may not fit: ${doubt}`);
}
