import { GmtlError } from '../errors.ts';
import { type BootstrapOptions, bootstrapInterval, type Interval } from './bootstrap.ts';
import { brierScore, expectedCalibrationError, type ReliabilityBin, reliabilityBins } from './calibration.ts';
import {
  accuracy,
  balancedAccuracy,
  type ClassScores,
  type ConfusionMatrix,
  classScores,
  confusionMatrix,
  jointAccuracy,
  type MacroScores,
  macroScores,
  quadraticWeightedKappa,
} from './confusion.ts';
import { argmax, predictedClasses } from './inputs.ts';
import { gradeAuroc, oneVersusRestAuroc } from './ranking.ts';

/** One graded image: a label and softmax probabilities for a task. */
export type GradedCase = { readonly id: string; readonly truth: number; readonly probabilities: ArrayLike<number> };

/** Everything one grading task is judged by. NaN marks what these cases leave undefined. */
export type GradingReport = {
  readonly cases: number;
  readonly confusion: ConfusionMatrix;
  readonly accuracy: number;
  readonly balancedAccuracy: number;
  readonly quadraticWeightedKappa: number;
  readonly macro: MacroScores;
  readonly classes: readonly (ClassScores & { readonly auroc: number })[];
  readonly macroAuroc: number;
  /** AUROC of grade >= 1 by 1 − p(grade 0): no retinopathy, or some. */
  readonly anyAuroc: number;
  /** AUROC of grade >= 2 by p(grade >= 2): referable. */
  readonly referableAuroc: number;
  readonly expectedCalibrationError: number;
  readonly brier: number;
  readonly reliability: readonly ReliabilityBin[];
};

/** Percentile intervals of a grading task's headline figures. */
export type GradingIntervals = {
  readonly accuracy: Interval;
  readonly quadraticWeightedKappa: Interval;
  readonly macroF1: Interval;
  readonly referableAuroc: Interval;
};

/**
 * Scores one grading task of `classes` (at least 3) grades.
 * @throws GmtlError naming the case whose label or probabilities are wrong, or `metrics/empty`.
 */
export function gradingReport(cases: readonly GradedCase[], classes: number): GradingReport {
  const { truth, probabilities } = stack(cases, classes);
  const confusion = confusionMatrix(truth, predictedClasses(probabilities, classes), classes);
  const auroc = oneVersusRestAuroc(truth, probabilities, classes);
  return {
    cases: cases.length,
    confusion,
    accuracy: accuracy(confusion),
    balancedAccuracy: balancedAccuracy(confusion),
    quadraticWeightedKappa: quadraticWeightedKappa(confusion),
    macro: macroScores(confusion),
    classes: classScores(confusion).map((scores, label) => ({ ...scores, auroc: auroc.perClass[label] })),
    macroAuroc: auroc.macro,
    anyAuroc: gradeAuroc(truth, probabilities, classes, 1),
    referableAuroc: gradeAuroc(truth, probabilities, classes, 2),
    expectedCalibrationError: expectedCalibrationError(truth, probabilities, classes),
    brier: brierScore(truth, probabilities, classes),
    reliability: reliabilityBins(truth, probabilities, classes),
  };
}

/** Bootstrap intervals over the cases of {@link gradingReport}'s headline figures. */
export function gradingIntervals(
  cases: readonly GradedCase[],
  classes: number,
  options: BootstrapOptions = {},
): GradingIntervals {
  const matrixOf = (resample: readonly GradedCase[]): ConfusionMatrix =>
    confusionMatrix(
      resample.map((one) => one.truth),
      resample.map((one) => argmax(one.probabilities, 0, classes)),
      classes,
    );
  const interval = (metric: (resample: readonly GradedCase[]) => number): Interval =>
    bootstrapInterval(cases, metric, options);
  return {
    accuracy: interval((resample) => accuracy(matrixOf(resample))),
    quadraticWeightedKappa: interval((resample) => quadraticWeightedKappa(matrixOf(resample))),
    macroF1: interval((resample) => macroScores(matrixOf(resample)).f1),
    referableAuroc: interval((resample) => {
      const { truth, probabilities } = stack(resample, classes);
      return gradeAuroc(truth, probabilities, classes, 2);
    }),
  };
}

/** An image with both grades, for the joint measure. */
export type JointCase = { readonly id: string; readonly dr: GradedCase; readonly dme: GradedCase };

/** Joint DR + DME accuracy (see {@link jointAccuracy}) with its bootstrap interval over the cases. */
export function jointInterval(cases: readonly JointCase[], options: BootstrapOptions = {}): Interval {
  const predicted = (one: GradedCase): number => argmax(one.probabilities, 0, one.probabilities.length);
  return bootstrapInterval(
    cases,
    (resample) =>
      jointAccuracy(
        resample.map((one) => one.dr.truth),
        resample.map((one) => predicted(one.dr)),
        resample.map((one) => one.dme.truth),
        resample.map((one) => predicted(one.dme)),
      ),
    options,
  );
}

function stack(cases: readonly GradedCase[], classes: number): { truth: Int32Array; probabilities: Float64Array } {
  const truth = new Int32Array(cases.length);
  const probabilities = new Float64Array(cases.length * classes);
  cases.forEach((one, index) => {
    if (one.probabilities.length !== classes) {
      throw new GmtlError(
        'metrics/length',
        `Grading, case ${one.id}: ${one.probabilities.length} probabilities for ${classes} classes.`,
      );
    }
    truth[index] = one.truth;
    probabilities.set(Array.from(one.probabilities), index * classes);
  });
  return { truth, probabilities };
}
