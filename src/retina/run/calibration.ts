/** A run's `calibration.json`: what `gmtl evaluate` fitted on its validation images. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode, writeFileAtomic } from '../../engine/node/atomic.ts';
import { RUN_FILES } from './fileNames.ts';

/** JSON writes NaN as null. */
const figure = z.union([z.number(), z.null().transform(() => Number.NaN)]);
const figures = z.object({ negativeLogLikelihood: figure, expectedCalibrationError: figure });
const temperature = z.object({
  temperature: z.number().positive(),
  cases: z.int().min(1),
  before: figures,
  after: figures,
  isAtBound: z.boolean(),
});
const threshold = z.object({
  threshold: z.number().gt(0).max(1),
  dice: figure,
  diceAtHalf: figure,
  positives: z.int().min(0),
  reason: z.enum(['fitted', 'lesion-absent']),
});

const calibrationSchema = z.object({
  /** What it was fitted on and how; other weights or another way of predicting need another fit. */
  fittedOn: z.object({
    split: z.literal('val'),
    segmentation: z.int().min(0),
    classification: z.int().min(0),
    /** Ids of the images. */
    images: z.array(z.string()),
    checkpoint: z.string(),
    step: z.int().nullable(),
    weights: z.enum(['average', 'raw']),
    frame: z.enum(['network', 'native']),
    flips: z.boolean(),
  }),
  /** Null where the validation split has no such cases. */
  temperatures: z.object({
    retinopathy: temperature.nullable(),
    edema: temperature.nullable(),
    gate: temperature.nullable(),
  }),
  /** By structure; empty where the validation split has no masks. */
  thresholds: z.record(z.string(), threshold),
});

/** `calibration.json` of a run folder. */
export type Calibration = z.infer<typeof calibrationSchema>;

/** Writes `calibration.json` into a run folder; gives its path. */
export async function writeCalibration(runFolder: string, calibration: Calibration): Promise<string> {
  const path = join(runFolder, RUN_FILES.calibration);
  await writeFileAtomic(path, `${JSON.stringify(calibration, null, 2)}\n`);
  return path;
}

/** @throws GmtlError `run/no-calibration` where the run has none, or a damaged one. */
export async function readCalibration(runFolder: string): Promise<Calibration> {
  const path = join(runFolder, RUN_FILES.calibration);
  try {
    return calibrationSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') {
      throw new GmtlError(
        'run/no-calibration',
        `${path}: there is no such file. Fit temperatures and thresholds on the run's validation images first: gmtl evaluate ${runFolder}`,
        { cause },
      );
    }
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.ZodError)) throw cause;
    throw new GmtlError(
      'run/no-calibration',
      `${path}: damaged (${cause.message}). Delete it and run: gmtl evaluate ${runFolder}`,
      { cause },
    );
  }
}

/**
 * The calibration of the run that a weights file belongs to: beside it, or in the folder above (a run's checkpoints are one down).
 * @throws GmtlError `run/no-calibration` where there is none.
 */
export async function calibrationOf(weightsFile: string): Promise<Calibration> {
  const near = dirname(weightsFile);
  return readCalibration(existsSync(join(near, RUN_FILES.calibration)) ? near : dirname(near));
}

/** Every temperature and threshold with its value and what it gained on the images it was fitted on: rows of a table. */
export function calibrationRows({ temperatures, thresholds }: Calibration): [string, number, string][] {
  const heads = Object.entries(temperatures).map(([head, fitted]): [string, number, string] => {
    const name = `Temperature of ${head}`;
    if (!fitted) return [name, 1, 'no such validation images: left at 1'];
    const { before, after, temperature, isAtBound } = fitted;
    const errors = [before, after].map(({ expectedCalibrationError }) => expectedCalibrationError.toFixed(3));
    return [name, temperature, `calibration error ${errors.join(' → ')}${isAtBound ? '; at its limit' : ''}`];
  });
  const masks = Object.entries(thresholds).map(([structure, fitted]): [string, number, string] => [
    `Threshold of ${structure}`,
    fitted.threshold,
    fitted.reason === 'fitted'
      ? `Dice ${fitted.diceAtHalf.toFixed(3)} → ${fitted.dice.toFixed(3)}`
      : 'absent from the validation images: left at 0.5',
  ]);
  return [...heads, ...masks];
}
