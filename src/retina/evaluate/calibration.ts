/** Temperatures and thresholds: fitted on validation images only, stored beside the run. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GRADE_COUNTS, TASKS } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode, writeFileAtomic } from '../../engine/node/atomic.ts';
import { fitCasesTemperature, type Temperature } from '../metrics/temperature.ts';
import { fitThresholds, thresholdValues } from '../metrics/thresholds.ts';
import type { GradedCase } from '../metrics/grading.ts';
import type { Collected, Thresholds } from './collect.ts';
import type { Temperatures } from './summary.ts';

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

/** How the validation images were predicted. */
export type FittedHow = Omit<Calibration['fittedOn'], 'split' | 'segmentation' | 'classification' | 'images'>;

const CALIBRATION = 'calibration.json';

/**
 * Fits temperatures and per-structure thresholds to what was collected of VALIDATION images.
 * @param validation collected with the threshold 0.5 as its first setting (thresholds do not change what is fitted).
 */
export function fitCalibration(validation: Collected, how: FittedHow): Calibration {
  const temper = (cases: readonly GradedCase[], classes: number): Temperature | null =>
    cases.length > 0 ? fitCasesTemperature(cases, classes) : null;
  const segmented = validation.gate.filter(({ truth }) => truth === TASKS.indexOf('segmentation')).length;
  return {
    fittedOn: {
      split: 'val',
      segmentation: segmented,
      classification: validation.gate.length - segmented,
      images: validation.gate.map(({ id }) => id),
      ...how,
    },
    temperatures: {
      retinopathy: temper(validation.retinopathy, GRADE_COUNTS.retinopathy),
      edema: temper(validation.edema, GRADE_COUNTS.edema),
      gate: temper(validation.gate, TASKS.length),
    },
    thresholds: validation.masks ? fitThresholds(validation.masks[0].segmentation) : {},
  };
}

/** The bare thresholds, by structure. */
export const calibratedThresholds = ({ thresholds }: Calibration): Thresholds => thresholdValues(thresholds);

/** The bare temperatures; 1 where none was fitted. */
export function calibratedTemperatures({ temperatures }: Calibration): Temperatures {
  const { retinopathy, edema, gate } = temperatures;
  return {
    retinopathy: retinopathy?.temperature ?? 1,
    edema: edema?.temperature ?? 1,
    gate: gate?.temperature ?? 1,
  };
}

/** Writes `calibration.json` into a run folder; gives its path. */
export async function writeCalibration(runFolder: string, calibration: Calibration): Promise<string> {
  const path = join(runFolder, CALIBRATION);
  await writeFileAtomic(path, `${JSON.stringify(calibration, null, 2)}\n`);
  return path;
}

/** @throws GmtlError `run/no-calibration` where the run has none, or a damaged one. */
export async function readCalibration(runFolder: string): Promise<Calibration> {
  const path = join(runFolder, CALIBRATION);
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
