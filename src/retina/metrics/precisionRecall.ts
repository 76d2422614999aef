/** Precision-recall curves of pixels, for a plot. */
import { GmtlError } from '../../engine/errors.ts';
import type { ScoreHistogram } from './scoreHistogram.ts';

/** Pixels are called positive where p >= threshold. */
export type PrecisionRecallPoint = { readonly threshold: number; readonly recall: number; readonly precision: number };

/**
 * The precision–recall curve for a plot, by falling threshold: its first point (the highest threshold that predicts anything),
 * its last (everything predicted, recall 1), and in between the points nearest above evenly spaced recalls. Do NOT
 * compute areas from it: use {@link ScoreHistogram.averagePrecision}.
 *
 * @param maximumPoints at least 2.
 * @returns an empty list without positives.
 */
export function precisionRecallCurve(histogram: ScoreHistogram, maximumPoints = 200): PrecisionRecallPoint[] {
  if (!Number.isInteger(maximumPoints) || maximumPoints < 2) {
    throw new GmtlError('metrics/points', `precisionRecallCurve: ${maximumPoints} points; ask for 2 or more.`);
  }
  const { bins, positives, negatives } = histogram;
  const positiveCount = histogram.positiveCount();
  if (positiveCount === 0) return [];
  const points: PrecisionRecallPoint[] = [];
  let truePositive = 0;
  let predicted = 0;
  // Point 0 is the first, the last is kept for threshold 0; the recalls (kept - 1) / (maximumPoints - 2) lie between.
  let target = 0;
  for (let bin = bins; bin >= 0; bin--) {
    truePositive += positives[bin];
    predicted += positives[bin] + negatives[bin];
    const isLast = bin === 0;
    if (predicted === 0 || (!isLast && positives[bin] + negatives[bin] === 0)) continue;
    const recall = truePositive / positiveCount;
    const isWanted = points.length === 0 || (points.length < maximumPoints - 1 && recall >= target);
    if (!isWanted && !isLast) continue;
    points.push({ threshold: bin / bins, recall, precision: truePositive / predicted });
    while (target <= recall) target += 1 / Math.max(1, maximumPoints - 2);
  }
  return points;
}
