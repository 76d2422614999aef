/** Each structure's threshold, fitted on validation pixels. */
import type { ScoreHistogram } from './scoreHistogram.ts';

/** A structure's threshold: a pixel is predicted where its probability >= `threshold`. */
export type StructureThreshold = {
  readonly threshold: number;
  /** Aggregated Dice at `threshold`, on the pixels it was fitted on; NaN (null in JSON) without truth pixels. */
  readonly dice: number;
  /** The same at 0.5, for comparison. */
  readonly diceAtHalf: number;
  /** Pixels of the truth it was fitted on. */
  readonly positives: number;
  /** `lesion-absent`: no truth pixel to fit on, so the threshold is 0.5. */
  readonly reason: 'fitted' | 'lesion-absent';
};

/**
 * The threshold of highest aggregated Dice on a histogram of VALIDATION pixels, among the bin edges 1/bins, 2/bins, …, 1 (0 would
 * predict the whole frame). Among equally good ones, which are common because every threshold in a gap between
 * scores gives the same masks, it is the nearest to 0.5, and the lower of two equally near.
 */
export function fitThreshold(histogram: ScoreHistogram): StructureThreshold {
  const { bins, positives, negatives } = histogram;
  const truth = histogram.positiveCount();
  if (truth === 0) {
    return { threshold: 0.5, dice: Number.NaN, diceAtHalf: Number.NaN, positives: 0, reason: 'lesion-absent' };
  }
  let best = { threshold: 0.5, dice: -1 };
  let diceAtHalf = 0;
  let truePositive = 0;
  let predicted = 0;
  for (let bin = bins; bin >= 1; bin--) {
    truePositive += positives[bin];
    predicted += positives[bin] + negatives[bin];
    const threshold = bin / bins;
    const dice = (2 * truePositive) / (truth + predicted);
    if (threshold === 0.5) diceAtHalf = dice;
    const isNearer = Math.abs(threshold - 0.5) <= Math.abs(best.threshold - 0.5);
    if (dice > best.dice || (dice === best.dice && isNearer)) best = { threshold, dice };
  }
  return { ...best, diceAtHalf, positives: truth, reason: 'fitted' };
}

/** The bare numbers of fitted thresholds, by structure. */
export function thresholdValues(
  fitted: Readonly<Record<string, Pick<StructureThreshold, 'threshold'>>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(fitted).map(([structure, { threshold }]) => [structure, threshold]));
}
