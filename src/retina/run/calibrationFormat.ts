/** What a run's `calibration.json` holds: what `gmtl evaluate` fitted on its validation images. */
import { z } from 'zod';
import { LEAST_CASES, LEAST_IMAGES } from '../metrics/guardedFits.ts';
import type { Proportion } from '../metrics/proportion.ts';
import {
  type FittedReferral,
  LEAST_REFERRAL_PICTURES,
  leastPictures,
  type ReferralFigures,
  ruleText,
} from '../metrics/referral.ts';
import type { UnsureBand } from '../metrics/unsureBand.ts';

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

const share = z.object({ count: z.int(), of: z.int(), value: figure, low: figure, high: figure });
const referralFigures = z.object({ sensitivity: share, specificity: share });
/** As `UnsureBand`. */
const band = z.object({
  wish: z.object({ measure: z.enum(['coverage', 'error']), value: z.number() }),
  reason: z.enum(['fitted', 'unattainable']),
  low: z.number().nullable(),
  high: z.number().nullable(),
  decided: share.nullable(),
  wrong: share.nullable(),
});
/** As `FittedReferral`. */
const referral = z.object({
  rule: z.object({ retinopathy: z.int().nullable(), edema: z.int().nullable() }),
  target: z.object({ measure: z.enum(['sensitivity', 'specificity']), value: z.number() }),
  reason: z.enum(['fitted', 'too-few', 'unattainable']),
  threshold: z.number().nullable(),
  pictures: z.int(),
  referable: z.int(),
  fitted: referralFigures.nullable(),
  crossValidated: referralFigures.nullable(),
  band: band.nullable().default(null),
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
  /** Null where the validation split has no graded pictures, and in files of earlier versions. */
  referral: referral.nullable().default(null),
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
      return `refused: ${images === 1 ? '1 image shows' : `${images} images show`} it, too few (${LEAST_IMAGES} are needed)`;
    case 'lesion-absent':
      return 'absent from the validation images: left at 0.5';
    default:
      return reason satisfies never;
  }
}

const shareText = ({ value, low, high }: Proportion): string =>
  `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;

const figuresText = ({ sensitivity, specificity }: ReferralFigures): string =>
  `sensitivity ${shareText(sensitivity)}, specificity ${shareText(specificity)}`;

/** Why an operating point was refused; null where it was fitted. */
export function referralRefusal({ reason, target, pictures, referable }: FittedReferral): string | null {
  const asked = `a ${target.measure} of ${target.value}`;
  const has = `${pictures} validation pictures with the grades that it goes by, ${referable} of them referable`;
  switch (reason) {
    case 'fitted':
      return null;
    case 'too-few': {
      const least = leastPictures(target);
      return `${has}, are too few for ${asked}: it takes ${Math.max(LEAST_REFERRAL_PICTURES, least.referable + least.other)}, at least ${least.referable} referable and ${least.other} others`;
    }
    case 'unattainable':
      return `${has}: no threshold reaches ${asked} and refers anyone`;
    default:
      return reason satisfies never;
  }
}

function referralRow(fitted: FittedReferral): [string, number | string, string] {
  const name = `Referral (${ruleText(fitted.rule)}) from a score of`;
  const refusal = referralRefusal(fitted);
  if (refusal !== null) return [name, 'none', `refused: ${refusal}`];
  const own = fitted.fitted && figuresText(fitted.fitted);
  return [name, fitted.threshold ?? Number.NaN, `${pointText(fitted)}; ${own} on these`];
}

/** What the band of "not sure" is, and what it was chosen for. */
export function bandText({ wish, low, high, decided, wrong }: UnsureBand): string {
  const asked =
    wish.measure === 'coverage'
      ? `${wish.value} of the pictures decided`
      : `at most ${wish.value} of the decisions wrong`;
  if (low === null || high === null)
    return `no band of "not sure": no choice of these pictures has ${asked} with 95 % confidence`;
  const figures = `${decided?.count} of ${decided?.of} decided, ${wrong?.count} of them wrongly`;
  return low === high
    ? `all are decided (${figures})`
    : `not sure between ${low.toFixed(2)} and ${high.toFixed(2)}, for ${asked} (${figures})`;
}

function bandRow({ band }: FittedReferral): [string, number | string, string][] {
  if (band === null) return [];
  const scores = band.low === null ? 'none' : `${band.low.toFixed(3)} to ${band.high?.toFixed(3)}`;
  return [['Not sure at a score of', scores, bandText(band)]];
}

/** What an operating point was chosen for, on what, and what it reaches there cross-validated. */
export function pointText({ target, crossValidated, pictures, referable }: FittedReferral): string {
  const held = crossValidated && `: ${figuresText(crossValidated)} cross-validated`;
  return `for ${target.measure} >= ${target.value} on ${pictures} validation pictures, ${referable} referable${held}`;
}

/** Every temperature and threshold with its value and what it gained on the images it was fitted on: rows of a table. */
export function calibrationRows({
  temperatures,
  thresholds,
  referral,
}: Calibration): [string, number | string, string][] {
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
  return [...heads, ...masks, ...(referral ? [referralRow(referral), ...bandRow(referral)] : [])];
}
