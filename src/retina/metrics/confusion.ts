/** Confusion matrices and the figures computed from them, such as the quadratic weighted kappa. */
import { GmtlError } from '../../engine/errors.ts';
import { checkLabel, meanOfDefined, type Numbers, sameLength } from './inputs.ts';

/** Counts of cases by truth (row) and prediction (column). */
export type ConfusionMatrix = {
  readonly classes: number;
  /** (classes × classes), row-major: `counts[truth * classes + predicted]`. */
  readonly counts: readonly number[];
};

/**
 * One class against the rest. NaN: these cases say nothing of it, as there is none of the class (recall) or there is neither truth nor
 * prediction of it (precision, F1); nor is there a specificity where all cases are of the class. A class that occurs and is never predicted
 * has precision 0 (scikit-learn's `zero_division=0`).
 */
export type ClassScores = {
  readonly precision: number;
  /** Recall, also called sensitivity. */
  readonly recall: number;
  readonly f1: number;
  readonly sensitivity: number;
  readonly specificity: number;
  /** Cases whose truth is this class. */
  readonly support: number;
  /** Cases predicted as this class. */
  readonly predicted: number;
};

/** Unweighted means over the classes in which the figure is defined: a class that does not occur is left out, not counted as 0. */
export type MacroScores = { readonly precision: number; readonly recall: number; readonly f1: number };

/**
 * Counts (truth, prediction) pairs; labels are integers in [0, classes).
 * @throws GmtlError `metrics/length`, `metrics/empty` or `metrics/label` naming the case.
 */
export function confusionMatrix(truth: Numbers, predicted: Numbers, classes: number): ConfusionMatrix {
  const cases = sameLength('confusionMatrix', truth, predicted);
  const counts = new Array<number>(classes * classes).fill(0);
  for (let index = 0; index < cases; index++) {
    checkLabel('confusionMatrix truth', truth[index], classes, index);
    checkLabel('confusionMatrix prediction', predicted[index], classes, index);
    counts[truth[index] * classes + predicted[index]]++;
  }
  return { classes, counts };
}

/** Share of cases on the diagonal. */
export function accuracy(matrix: ConfusionMatrix): number {
  let right = 0;
  for (let index = 0; index < matrix.classes; index++) right += matrix.counts[index * matrix.classes + index];
  return right / total(matrix);
}

/** Mean recall over the classes that occur in the truth (scikit-learn's `balanced_accuracy_score`). */
export function balancedAccuracy(matrix: ConfusionMatrix): number {
  return meanOfDefined(classScores(matrix).map((scores) => scores.recall));
}

/** Precision, recall, F1, sensitivity and specificity of each class against the rest; see {@link ClassScores} for 0/0. */
export function classScores(matrix: ConfusionMatrix): ClassScores[] {
  const { classes, counts } = matrix;
  const cases = total(matrix);
  return Array.from({ length: classes }, (_, label) => {
    let support = 0;
    let predicted = 0;
    for (let other = 0; other < classes; other++) {
      support += counts[label * classes + other];
      predicted += counts[other * classes + label];
    }
    const truePositive = counts[label * classes + label];
    const trueNegative = cases - support - predicted + truePositive;
    const recall = ratio(truePositive, support);
    const isAbsent = support + predicted === 0;
    return {
      precision: isAbsent ? Number.NaN : predicted === 0 ? 0 : truePositive / predicted,
      recall,
      f1: ratio(2 * truePositive, support + predicted),
      sensitivity: recall,
      specificity: ratio(trueNegative, cases - support),
      support,
      predicted,
    };
  });
}

/** Macro averages of {@link classScores}; that of recall is the balanced accuracy. */
export function macroScores(matrix: ConfusionMatrix): MacroScores {
  const scores = classScores(matrix);
  return {
    precision: meanOfDefined(scores.map((one) => one.precision)),
    recall: meanOfDefined(scores.map((one) => one.recall)),
    f1: meanOfDefined(scores.map((one) => one.f1)),
  };
}

/**
 * Cohen's kappa with quadratic weights (i − j)²: 1 − Σ w·observed / Σ w·expected (Cohen, Psychological Bulletin 70, 1968).
 * NaN where the expected disagreement is 0 (truth and prediction are one and the same constant), as in scikit-learn.
 */
export function quadraticWeightedKappa(matrix: ConfusionMatrix): number {
  const { classes, counts } = matrix;
  const cases = total(matrix);
  const scores = classScores(matrix);
  let observed = 0;
  let expected = 0;
  for (let row = 0; row < classes; row++) {
    for (let column = 0; column < classes; column++) {
      const weight = (row - column) ** 2;
      observed += weight * counts[row * classes + column];
      expected += (weight * scores[row].support * scores[column].predicted) / cases;
    }
  }
  return expected === 0 ? Number.NaN : 1 - observed / expected;
}

/**
 * Share of cases whose DR grade AND DME grade are both right: the IDRiD challenge's measure for its grading sub-challenge.
 * All four arrays have one label per case.
 */
export function jointAccuracy(
  drTruth: Numbers,
  drPredicted: Numbers,
  dmeTruth: Numbers,
  dmePredicted: Numbers,
): number {
  const cases = sameLength('jointAccuracy', drTruth, drPredicted, 'DR truth and DR prediction');
  sameLength('jointAccuracy', dmeTruth, dmePredicted, 'DME truth and DME prediction');
  sameLength('jointAccuracy', drTruth, dmeTruth, 'DR and DME labels');
  let right = 0;
  for (let index = 0; index < cases; index++) {
    if (drTruth[index] === drPredicted[index] && dmeTruth[index] === dmePredicted[index]) right++;
  }
  return right / cases;
}

function total(matrix: ConfusionMatrix): number {
  const { classes, counts } = matrix;
  if (counts.length !== classes * classes) {
    throw new GmtlError(
      'metrics/length',
      `A confusion matrix of ${classes} classes has ${classes * classes} counts, not ${counts.length}.`,
    );
  }
  const sum = counts.reduce((left, right) => left + right, 0);
  if (sum === 0) throw new GmtlError('metrics/empty', 'The confusion matrix holds no cases; its scores are undefined.');
  return sum;
}

function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? Number.NaN : numerator / denominator;
}
