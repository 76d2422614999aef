/** Everything that one grading task is judged by. */
import { GmtlError } from '../../engine/errors.ts';
import { brierScore, expectedCalibrationError, type ReliabilityBin, reliabilityBins } from './calibration.ts';
import {
  accuracy,
  balancedAccuracy,
  type ClassScores,
  type ConfusionMatrix,
  classScores,
  confusionMatrix,
  type MacroScores,
  macroScores,
  quadraticWeightedKappa,
} from './confusion.ts';
import { decideGrade, type GradeDecision, predictedClasses } from './inputs.ts';
import {
  gradeAuroc,
  gradeScores,
  type OperatingPoint,
  oneVersusRestAuroc,
  sensitivityAtSpecificity,
  specificityAtSensitivity,
} from './ranking.ts';
import { riskCoverage, type SelectiveCase } from './selective.ts';

/** The specificity (sensitivity) at which a report states the sensitivity (specificity): the order of magnitude that screening programmes require. */
export const SCREENING_BAR = 0.9;

/** The operating points of a screening question ("any retinopathy", "referable") on these cases. */
export type ScreeningPoints = {
  /** The highest sensitivity at a specificity of at least {@link SCREENING_BAR}. */
  readonly sensitivityAtSpecificity90: OperatingPoint;
  /** The highest specificity at a sensitivity of at least {@link SCREENING_BAR}. */
  readonly specificityAtSensitivity90: OperatingPoint;
};

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
  /** AUROC of grade >= 1 by 1 − p(grade 0): any retinopathy. */
  readonly anyAuroc: number;
  /** AUROC of grade >= 2 by p(grade >= 2): referable. */
  readonly referableAuroc: number;
  /** Grade >= 1 and grade >= 2; null where all cases are on one side of the question. */
  readonly screening: { readonly any: ScreeningPoints | null; readonly referable: ScreeningPoints | null };
  readonly expectedCalibrationError: number;
  readonly brier: number;
  /** Area under the risk–coverage curve of the grades, the most probable first: see `riskCoverage`. */
  readonly aurc: number;
  readonly reliability: readonly ReliabilityBin[];
};

/**
 * Scores one grading task of `classes` (at least 3) grades, decided by `decision`; calibration is that of the most probable grade.
 * @throws GmtlError naming the case whose label or probabilities are wrong, or `metrics/empty`.
 */
export function gradingReport(
  cases: readonly GradedCase[],
  classes: number,
  decision: GradeDecision = 'mode',
): GradingReport {
  const { truth, probabilities } = stackCases(cases, classes);
  const confusion = confusionMatrix(truth, predictedClasses(probabilities, classes, decision), classes);
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
    screening: {
      any: screeningPoints(truth, probabilities, classes, 1),
      referable: screeningPoints(truth, probabilities, classes, 2),
    },
    expectedCalibrationError: expectedCalibrationError(truth, probabilities, classes),
    brier: brierScore(truth, probabilities, classes),
    aurc: riskCoverage(gradeAnswers(cases, decision)).aurc,
    reliability: reliabilityBins(truth, probabilities, classes),
  };
}

function screeningPoints(
  truth: Int32Array,
  probabilities: Float64Array,
  classes: number,
  minimumGrade: number,
): ScreeningPoints | null {
  const { positives, scores } = gradeScores(truth, probabilities, classes, minimumGrade);
  if (new Set(positives).size < 2) return null;
  return {
    sensitivityAtSpecificity90: sensitivityAtSpecificity(positives, scores, SCREENING_BAR),
    specificityAtSensitivity90: specificityAtSensitivity(positives, scores, SCREENING_BAR),
  };
}

/** Grades as answers, right or wrong, as sure as the grade is probable ("softmax response", Geifman and El-Yaniv 2017). */
export function gradeAnswers(cases: readonly GradedCase[], decision: GradeDecision): SelectiveCase[] {
  return cases.map(({ truth, probabilities }) => {
    const grade = decideGrade(decision, probabilities);
    return { confidence: probabilities[grade], isWrong: grade !== truth };
  });
}

/** Labels and (cases × classes) row-major probabilities of a list of cases. @throws GmtlError `metrics/length` naming the case. */
export function stackCases(
  cases: readonly GradedCase[],
  classes: number,
): { truth: Int32Array; probabilities: Float64Array } {
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
