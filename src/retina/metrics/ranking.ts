/** Receiver operating characteristics: AUROC and operating points. */
import { GmtlError } from '../../engine/errors.ts';
import { checkProbabilities, type Numbers, sameLength } from './inputs.ts';

/** A point of a receiver operating characteristic: the case is called positive where score >= threshold. */
export type OperatingPoint = { readonly threshold: number; readonly sensitivity: number; readonly specificity: number };

/**
 * Area under the ROC curve as the Mann–Whitney statistic: (rank sum of positives − n₊(n₊+1)/2) / (n₊·n₋), tied scores sharing
 * their mean rank, so a tie between a positive and a negative counts one half (Hanley & McNeil, Radiology 143, 1982).
 *
 * @param positives non-zero where the case is positive; @param scores higher means more positive.
 * @returns NaN where only one of the two classes occurs.
 * @throws GmtlError `metrics/length`, `metrics/empty`, or `metrics/score` for a NaN score.
 */
export function auroc(positives: Numbers, scores: Numbers): number {
  const order = ascending('auroc', positives, scores);
  let positiveCount = 0;
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && scores[order[end]] === scores[order[start]]) end++;
    // Ranks are 1-based: the group start..end-1 shares the mean of start+1 .. end.
    const rank = (start + 1 + end) / 2;
    for (let index = start; index < end; index++) {
      if (positives[order[index]] !== 0) {
        positiveCount++;
        rankSum += rank;
      }
    }
    start = end;
  }
  const negativeCount = order.length - positiveCount;
  if (positiveCount === 0 || negativeCount === 0) return Number.NaN;
  return (rankSum - (positiveCount * (positiveCount + 1)) / 2) / (positiveCount * negativeCount);
}

/**
 * One-vs-rest AUROC of each class from (cases × classes) row-major probabilities, and the mean over the classes for which it is
 * defined (a class that is absent from, or fills, the truth has NaN and is left out of the mean).
 */
export function oneVersusRestAuroc(
  truth: Numbers,
  probabilities: Numbers,
  classes: number,
): { perClass: number[]; macro: number } {
  const cases = checkProbabilities('oneVersusRestAuroc', truth, probabilities, classes);
  const perClass = Array.from({ length: classes }, (_, label) => {
    const positives = Array.from({ length: cases }, (_, index) => (truth[index] === label ? 1 : 0));
    const scores = Array.from({ length: cases }, (_, index) => probabilities[index * classes + label]);
    return auroc(positives, scores);
  });
  const defined = perClass.filter((value) => !Number.isNaN(value));
  return { perClass, macro: defined.reduce((left, right) => left + right, 0) / defined.length };
}

/**
 * AUROC of "grade >= minimumGrade" scored by the probability mass of those grades. `minimumGrade` 1 asks "any retinopathy"
 * (score 1 − p(grade 0)); 2 asks "referable" (score p(grade >= 2)).
 * @throws GmtlError as {@link oneVersusRestAuroc}, and `metrics/grade` unless 1 <= minimumGrade < classes.
 */
export function gradeAuroc(truth: Numbers, probabilities: Numbers, classes: number, minimumGrade: number): number {
  const { positives, scores } = gradeScores(truth, probabilities, classes, minimumGrade);
  return auroc(positives, scores);
}

/** P(grade >= minimumGrade): the sum of those of the `classes` probabilities from `offset` on. */
export function gradeMass(probabilities: Numbers, offset: number, classes: number, minimumGrade: number): number {
  let mass = 0;
  for (let grade = minimumGrade; grade < classes; grade++) mass += probabilities[offset + grade];
  return mass;
}

/** The binary question behind {@link gradeAuroc}: 0/1 truth and the probability mass of the grades from `minimumGrade` up. */
export function gradeScores(
  truth: Numbers,
  probabilities: Numbers,
  classes: number,
  minimumGrade: number,
): { positives: Uint8Array; scores: Float64Array } {
  const cases = checkProbabilities('gradeAuroc', truth, probabilities, classes);
  if (!Number.isInteger(minimumGrade) || minimumGrade < 1 || minimumGrade >= classes) {
    throw new GmtlError('metrics/grade', `gradeAuroc: grade ${minimumGrade} does not split ${classes} classes in two.`);
  }
  const positives = new Uint8Array(cases);
  const scores = new Float64Array(cases);
  for (let index = 0; index < cases; index++) {
    positives[index] = truth[index] >= minimumGrade ? 1 : 0;
    scores[index] = gradeMass(probabilities, index * classes, classes, minimumGrade);
  }
  return { positives, scores };
}

/**
 * The operating point of highest sensitivity among those whose specificity is at least `minimumSpecificity`, over the thresholds
 * given by the scores themselves. It is always attainable, with nothing called positive (threshold +infinity; null in JSON).
 * @throws GmtlError `metrics/one-class` where sensitivity or specificity is undefined.
 */
export function sensitivityAtSpecificity(
  positives: Numbers,
  scores: Numbers,
  minimumSpecificity: number,
): OperatingPoint {
  const points = rocCurve(positives, scores);
  needBoth('sensitivityAtSpecificity', points);
  // Sensitivity only grows along the curve; among equal ones the first has the highest specificity.
  return points.reduce((best, point) =>
    point.specificity >= minimumSpecificity && point.sensitivity > best.sensitivity ? point : best,
  );
}

/**
 * The operating point of highest specificity among those whose sensitivity is at least `minimumSensitivity` (at most 1, so that
 * calling everything positive attains it), over the thresholds given by the scores themselves.
 * @throws GmtlError `metrics/one-class` where sensitivity or specificity is undefined.
 */
export function specificityAtSensitivity(
  positives: Numbers,
  scores: Numbers,
  minimumSensitivity: number,
): OperatingPoint {
  const points = rocCurve(positives, scores);
  needBoth('specificityAtSensitivity', points);
  // Specificity only falls along the curve.
  return points.find((point) => point.sensitivity >= minimumSensitivity) ?? points[points.length - 1];
}

/**
 * The receiver operating characteristic: from nothing called positive (threshold +infinity; null in JSON) to everything, one point
 * per distinct score. Sensitivity is NaN without positives, specificity without negatives.
 */
export function rocCurve(positives: Numbers, scores: Numbers): OperatingPoint[] {
  const order = ascending('rocCurve', positives, scores).reverse();
  const positiveCount = order.reduce((sum, index) => sum + (positives[index] !== 0 ? 1 : 0), 0);
  const negativeCount = order.length - positiveCount;
  let truePositive = 0;
  let trueNegative = negativeCount;
  const point = (threshold: number): OperatingPoint => ({
    threshold,
    sensitivity: truePositive / positiveCount,
    specificity: trueNegative / negativeCount,
  });
  const points = [point(Number.POSITIVE_INFINITY)];
  for (let position = 0; position < order.length; position++) {
    const index = order[position];
    if (positives[index] !== 0) truePositive++;
    else trueNegative--;
    if (position + 1 === order.length || scores[order[position + 1]] !== scores[index])
      points.push(point(scores[index]));
  }
  return points;
}

function needBoth(metric: string, points: readonly OperatingPoint[]): void {
  if (Number.isNaN(points[0].sensitivity) || Number.isNaN(points[0].specificity)) {
    throw new GmtlError('metrics/one-class', `${metric}: the truth holds one class only; it needs both.`);
  }
}

/**
 * Average precision Σ (Rₙ − Rₙ₋₁)·Pₙ over the distinct scores in falling order, ties as one step (scikit-learn's
 * `average_precision_score`), by an exact sort. For whole images use the histogram in scoreHistogram.ts.
 * @returns NaN without positives.
 */
export function averagePrecision(positives: Numbers, scores: Numbers): number {
  const order = ascending('averagePrecision', positives, scores).reverse();
  const positiveCount = order.reduce((sum, index) => sum + (positives[index] !== 0 ? 1 : 0), 0);
  if (positiveCount === 0) return Number.NaN;
  let truePositive = 0;
  let lastTruePositive = 0;
  let sum = 0;
  for (let position = 0; position < order.length; position++) {
    if (positives[order[position]] !== 0) truePositive++;
    const isLastOfTie = position + 1 === order.length || scores[order[position + 1]] !== scores[order[position]];
    if (isLastOfTie) {
      sum += ((truePositive - lastTruePositive) * truePositive) / (position + 1);
      lastTruePositive = truePositive;
    }
  }
  return sum / positiveCount;
}

/** Indices of the cases by rising score. @throws GmtlError as {@link auroc}. */
export function ascending(metric: string, positives: Numbers, scores: Numbers): Uint32Array {
  const cases = sameLength(metric, positives, scores, 'truth and scores');
  for (let index = 0; index < cases; index++) {
    if (Number.isNaN(scores[index])) {
      throw new GmtlError('metrics/score', `${metric}: the score of case ${index} is NaN and cannot be ranked.`);
    }
  }
  return Uint32Array.from({ length: cases }, (_, index) => index).sort((left, right) => scores[left] - scores[right]);
}
