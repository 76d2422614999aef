/** What a run's `calibration.json` holds: what `gmtl evaluate` fitted on its validation images. */
import { z } from 'zod';

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
