/** Bootstrap intervals of a grading task's figures and of the joint accuracy. */
import {
  type BootstrapOptions,
  bootstrapIntervals,
  type Interval,
  type IntervalsOf,
  type Weights,
} from './bootstrap.ts';
import { brierScores } from './calibration.ts';
import {
  accuracy,
  balancedAccuracy,
  type ConfusionMatrix,
  classScores,
  jointAccuracy,
  macroScores,
  quadraticWeightedKappa,
} from './confusion.ts';
import { GmtlError } from '../../engine/errors.ts';
import { gradeAnswers, type GradedCase, SCREENING_BAR, stackCases } from './grading.ts';
import { decideGrade, type GradeDecision, meanOfDefined, predictedClasses } from './inputs.ts';
import { gradeScores } from './ranking.ts';
import { weightedAurc } from './selective.ts';
import { weightedCalibrationError, weightedMean, weightedRanking } from './weighted.ts';

/**
 * Percentile intervals of a grading task's figures, each defined as in `gradingReport`, with one exception: a class's sensitivity
 * (specificity) is NaN, not 0, in a resample without the class (without anything else), and such resamples are left out.
 * A resample repeats cases, which makes the calibration error of small samples larger: its interval is biased upwards and may begin
 * above the estimate.
 */
export type GradingIntervals = IntervalsOf<ReturnType<ReturnType<typeof gradingFigures>>>;

/** How the resamples are drawn, and how grades are decided (default: mode). */
export type GradingBootstrap = BootstrapOptions & { readonly decision?: GradeDecision | undefined };

/**
 * Bootstrap intervals over the cases of everything in `gradingReport`, all figures from the same resamples.
 * @throws GmtlError as `gradingReport`, and `metrics/bootstrap`.
 */
export function gradingIntervals(
  cases: readonly GradedCase[],
  classes: number,
  { decision, ...options }: GradingBootstrap = {},
): GradingIntervals {
  return bootstrapIntervals(cases.length, gradingFigures(cases, classes, decision), options);
}

/** All figures of a weighted sample of the cases. Scores are sorted and cases binned once, here. */
export function gradingFigures(cases: readonly GradedCase[], classes: number, decision: GradeDecision = 'mode') {
  const { truth, probabilities } = stackCases(cases, classes);
  const predicted = predictedClasses(probabilities, classes, decision);
  const ranking = Array.from({ length: classes }, (_, label) =>
    weightedRanking(
      truth.map((one) => (one === label ? 1 : 0)),
      Float64Array.from(truth, (_one, index) => probabilities[index * classes + label]),
    ),
  );
  const [any, referable] = [1, 2].map((grade) => {
    const { positives, scores } = gradeScores(truth, probabilities, classes, grade);
    const prepared = weightedRanking(positives, scores);
    return {
      auroc: prepared.auroc,
      sensitivity: prepared.sensitivityAtSpecificity(SCREENING_BAR),
      specificity: prepared.specificityAtSensitivity(SCREENING_BAR),
    };
  });
  const calibration = weightedCalibrationError(truth, probabilities, classes);
  const aurc = weightedAurc(gradeAnswers(cases, decision));
  const brier = weightedMean(brierScores(truth, probabilities, classes));
  return (weights: Weights) => {
    const matrix = weightedConfusion(truth, predicted, classes, weights);
    const macro = macroScores(matrix);
    const auroc = ranking.map((one) => one.auroc(weights));
    return {
      accuracy: accuracy(matrix),
      balancedAccuracy: balancedAccuracy(matrix),
      macroPrecision: macro.precision,
      macroRecall: macro.recall,
      macroF1: macro.f1,
      quadraticWeightedKappa: quadraticWeightedKappa(matrix),
      macroAuroc: meanOfDefined(auroc),
      anyAuroc: any.auroc(weights),
      referableAuroc: referable.auroc(weights),
      anySensitivityAtSpecificity90: any.sensitivity(weights),
      anySpecificityAtSensitivity90: any.specificity(weights),
      referableSensitivityAtSpecificity90: referable.sensitivity(weights),
      referableSpecificityAtSensitivity90: referable.specificity(weights),
      expectedCalibrationError: calibration(weights),
      brier: brier(weights),
      aurc: aurc(weights),
      /** One entry per class. */
      classes: classScores(matrix).map((scores, label) => ({
        sensitivity: scores.support === 0 ? Number.NaN : scores.sensitivity,
        specificity: scores.support === cases.length ? Number.NaN : scores.specificity,
        precision: scores.precision,
        f1: scores.f1,
        auroc: auroc[label],
      })),
    };
  };
}

/** An image with both grades, for the joint measure. */
export type JointCase = { readonly id: string; readonly dr: GradedCase; readonly dme: GradedCase };

/** Joint DR + DME accuracy (see {@link jointAccuracy}) with its bootstrap interval over the cases. */
export function jointInterval(
  cases: readonly JointCase[],
  { decision = 'mode', ...options }: GradingBootstrap = {},
): Interval {
  if (cases.length === 0) throw new GmtlError('metrics/empty', 'jointInterval: no case has both grades.');
  const predicted = (one: GradedCase): number => decideGrade(decision, one.probabilities);
  const right = cases.map(({ dr, dme }) => jointAccuracy([dr.truth], [predicted(dr)], [dme.truth], [predicted(dme)]));
  const figure = weightedMean(right);
  return bootstrapIntervals(cases.length, (weights) => ({ joint: figure(weights) }), options).joint;
}

function weightedConfusion(
  truth: Int32Array,
  predicted: Int32Array,
  classes: number,
  weights: Weights,
): ConfusionMatrix {
  const counts = new Array<number>(classes * classes).fill(0);
  for (let index = 0; index < weights.length; index++) {
    counts[truth[index] * classes + predicted[index]] += weights[index];
  }
  return { classes, counts };
}
