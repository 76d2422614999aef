/** What a run's `calibration.json` holds: what `gmtl evaluate` fitted on its validation images. */
import { z } from 'zod';
import { LEAST_CASES, LEAST_IMAGES } from '../metrics/guardedFits.ts';

/** JSON writes NaN as null. */
const figure = z.union([z.number(), z.null().transform(() => Number.NaN)]);
const figures = z.object({ negativeLogLikelihood: figure, expectedCalibrationError: figure });
const temperature = z.object({
  temperature: z.number().positive(),
  cases: z.int().min(1),
  before: figures,
  after: figures,
  isAtBound: z.boolean(),
  /** Runs of before cross-validation have neither: what they fitted was kept. */
  reason: z.enum(['fitted', 'no-improvement', 'too-few']).default('fitted'),
  crossValidated: figures.nullable().default(null),
});
const threshold = z.object({
  threshold: z.number().gt(0).max(1),
  dice: figure,
  diceAtHalf: figure,
  positives: z.int().min(0),
  reason: z.enum(['fitted', 'no-improvement', 'too-few', 'lesion-absent']),
  images: z.int().min(0).optional(),
  crossValidated: figure.default(Number.NaN),
});

/** What `calibration.json` holds. */
export const calibrationSchema = z.object({
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

function thresholdText(fitted: Calibration['thresholds'][string]): string {
  const { reason, diceAtHalf, dice, crossValidated, images } = fitted;
  const held = Number.isNaN(crossValidated) ? '' : `${crossValidated.toFixed(3)} cross-validated`;
  const gain = `Dice ${diceAtHalf.toFixed(3)} → ${held === '' ? dice.toFixed(3) : held}`;
  switch (reason) {
    case 'fitted':
      return `${gain}${held === '' ? '' : `, ${dice.toFixed(3)} on these`}${images === undefined ? '' : ` (${images} images)`}`;
    case 'no-improvement':
      return `refused: no better on images it was not fitted on (${gain}; ${images} images)`;
    case 'too-few':
      return `refused: ${images} images show it, too few (${LEAST_IMAGES} are needed)`;
    case 'lesion-absent':
      return 'absent from the validation images: left at 0.5';
    default:
      return reason satisfies never;
  }
}

/** Every temperature and threshold with its value and what it gained on the images it was fitted on: rows of a table. */
export function calibrationRows({ temperatures, thresholds }: Calibration): [string, number, string][] {
  const heads = Object.entries(temperatures).map(([head, fitted]): [string, number, string] => {
    const name = `Temperature of ${head}`;
    if (!fitted) return [name, 1, 'no such validation images: left at 1'];
    const { before, after, temperature, isAtBound, cases, reason, crossValidated } = fitted;
    if (reason === 'too-few') return [name, 1, `refused: ${cases} cases are too few (${LEAST_CASES} are needed)`];
    const [error, own] = [before, after].map(({ expectedCalibrationError }) => expectedCalibrationError.toFixed(3));
    const held = crossValidated && `${crossValidated.expectedCalibrationError.toFixed(3)} cross-validated`;
    if (reason === 'no-improvement') {
      const [loss, heldLoss] = [before, crossValidated].map((one) => one?.negativeLogLikelihood.toFixed(3));
      return [
        name,
        1,
        `refused: no better on cases it was not fitted on (calibration error ${error} → ${held}, cross-entropy ${loss} → ${heldLoss}; ${cases} cases)`,
      ];
    }
    const text = `calibration error ${error} → ${held ? `${held}, ${own} on these` : own} (${cases} cases)`;
    return [name, temperature, `${text}${isAtBound ? '; at its limit' : ''}`];
  });
  const masks = Object.entries(thresholds).map(([structure, fitted]): [string, number, string] => [
    `Threshold of ${structure}`,
    fitted.threshold,
    thresholdText(fitted),
  ]);
  return [...heads, ...masks];
}
