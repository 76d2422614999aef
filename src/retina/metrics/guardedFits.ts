/** Calibration that is kept only where it helps: shrunk towards none, judged by cross-validation, refused on too few pictures. */
import { expectedCalibrationError } from './calibration.ts';
import { type GradedCase, stackCases } from './grading.ts';
import { type PackedHistogram, ScoreHistogram } from './scoreHistogram.ts';
import { type CalibrationFigures, fitCasesTemperature, type Temperature, temperCases } from './temperature.ts';
import { fitThreshold, type StructureThreshold } from './thresholds.ts';

/** Fewest cases that a temperature is fitted on, and fewest images with a structure that its threshold is. */
export const LEAST_CASES = 20;
export const LEAST_IMAGES = 5;

/** Parts into which the validation images are cut; each is scored by what was fitted on the others. */
const FOLDS = 5;

/** As if 1/T had been measured before with a deviation of a half: 20 cases move T less, 500 hardly. */
const SHRINKAGE = 4;

/** A fitted threshold keeps images / (images + this) of its distance from 0.5. */
const PRIOR_IMAGES = 5;

/** Why a value stands: fitted and kept; fitted, but no better on images it was not fitted on; or not fitted at all. */
export type FitReason = 'fitted' | 'no-improvement' | 'too-few';

/** A temperature that was kept or refused. Refused ones are 1. */
export type GuardedTemperature = Temperature & {
  readonly reason: FitReason;
  /** The cases' figures, each under the temperature fitted on the other folds; null where none was fitted. */
  readonly crossValidated: CalibrationFigures | null;
};

/** A threshold that was kept or refused. Refused ones are 0.5. */
export type GuardedThreshold = Omit<StructureThreshold, 'reason'> & {
  readonly reason: FitReason | 'lesion-absent';
  /** Images that show the structure. */
  readonly images: number;
  /** Aggregated Dice, each image under the threshold fitted on the other folds; NaN where none was fitted. */
  readonly crossValidated: number;
};

const isIn = (fold: number) => (_: unknown, index: number) => index % FOLDS === fold;
const isOutside = (fold: number) => (_: unknown, index: number) => index % FOLDS !== fold;
const foldNumbers = Array.from({ length: FOLDS }, (_, fold) => fold);

function figuresOf(cases: readonly GradedCase[], classes: number): CalibrationFigures {
  const { truth, probabilities } = stackCases(cases, classes);
  const losses = cases.map((one) => -Math.log(Math.max(one.probabilities[one.truth], 2 ** -126)));
  return {
    negativeLogLikelihood: losses.reduce((sum, loss) => sum + loss, 0) / cases.length,
    expectedCalibrationError: expectedCalibrationError(truth, probabilities, classes),
  };
}

/**
 * A temperature for graded (or gated) VALIDATION cases, shrunk towards 1. It is kept only if cases that it was not fitted on have both a
 * higher likelihood and no higher calibration error under it.
 *
 * @throws GmtlError as `fitCasesTemperature`.
 */
export function guardedTemperature(cases: readonly GradedCase[], classes: number): GuardedTemperature {
  const before = figuresOf(cases, classes);
  const none = { temperature: 1, cases: cases.length, before, after: before, isAtBound: false };
  if (cases.length < LEAST_CASES) return { ...none, reason: 'too-few', crossValidated: null };
  const heldOut = foldNumbers.flatMap((fold) => {
    const { temperature } = fitCasesTemperature(cases.filter(isOutside(fold)), classes, SHRINKAGE);
    return temperCases(cases.filter(isIn(fold)), temperature);
  });
  const crossValidated = figuresOf(heldOut, classes);
  const improves =
    crossValidated.negativeLogLikelihood < before.negativeLogLikelihood &&
    crossValidated.expectedCalibrationError <= before.expectedCalibrationError;
  if (!improves) return { ...none, reason: 'no-improvement', crossValidated };
  return { ...fitCasesTemperature(cases, classes, SHRINKAGE), reason: 'fitted', crossValidated };
}

function pool(histograms: readonly (ScoreHistogram | PackedHistogram)[], bins: number): ScoreHistogram {
  const sum = new ScoreHistogram(bins);
  for (const one of histograms) sum.merge(one);
  return sum;
}

/** Pixels of a histogram that a threshold (a bin edge) calls positive, rightly and wrongly, and those it misses. */
function countsAt({ bins, positives, negatives }: ScoreHistogram, threshold: number): [number, number, number] {
  const edge = Math.round(threshold * bins);
  const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
  return [sum(positives.subarray(edge)), sum(negatives.subarray(edge)), sum(positives.subarray(0, edge))];
}

const diceOf = ([right, wrong, missed]: readonly number[]): number => (2 * right) / (2 * right + wrong + missed);

function shrunkThreshold(histograms: readonly (ScoreHistogram | PackedHistogram)[], bins: number): number {
  const shown = histograms.filter((one) => one.positiveCount() > 0).length;
  const { threshold } = fitThreshold(pool(histograms, bins));
  return Math.max(1, Math.round(bins * (0.5 + ((threshold - 0.5) * shown) / (shown + PRIOR_IMAGES)))) / bins;
}

/**
 * A structure's threshold from the histograms of VALIDATION images, one per image, shrunk towards 0.5. It is kept only if the aggregated
 * Dice of images that it was not fitted on is higher under it.
 */
export function guardedThreshold(
  histograms: readonly (ScoreHistogram | PackedHistogram)[],
  bins: number,
): GuardedThreshold {
  const all = pool(histograms, bins);
  const { reason, diceAtHalf, positives } = fitThreshold(all);
  const images = histograms.filter((one) => one.positiveCount() > 0).length;
  const none = { threshold: 0.5, dice: diceAtHalf, diceAtHalf, positives, images, crossValidated: Number.NaN };
  if (reason === 'lesion-absent') return { ...none, reason };
  if (images < LEAST_IMAGES) return { ...none, reason: 'too-few' };
  // Images with the structure first, so that every fold has its share of them.
  const ordered = [...histograms].sort((a, b) => Number(b.positiveCount() > 0) - Number(a.positiveCount() > 0));
  const heldOut = foldNumbers.map((fold) => {
    const threshold = shrunkThreshold(ordered.filter(isOutside(fold)), bins);
    return countsAt(pool(ordered.filter(isIn(fold)), bins), threshold);
  });
  const crossValidated = diceOf([0, 1, 2].map((at) => heldOut.reduce((sum, counts) => sum + counts[at], 0)));
  if (!(crossValidated > diceAtHalf)) return { ...none, reason: 'no-improvement', crossValidated };
  const threshold = shrunkThreshold(histograms, bins);
  return {
    threshold,
    dice: diceOf(countsAt(all, threshold)),
    diceAtHalf,
    positives,
    images,
    crossValidated,
    reason: 'fitted',
  };
}
