/** Temperature scaling of the heads, fitted on validation cases. */
import { GmtlError } from '../../engine/errors.ts';
import { expectedCalibrationError } from './calibration.ts';
import { type GradedCase, stackCases } from './grading.ts';
import { checkProbabilities, type Numbers } from './inputs.ts';

/**
 * Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017): logits are divided by one number T > 0,
 * which changes confidences and never the order of the classes. T minimizes the negative log-likelihood of VALIDATION cases. The
 * logits are taken as the logarithms of the probabilities, from which they differ by a constant that the softmax drops.
 */
export type Temperature = {
  /** Above 1 the network was over-confident, below 1 under-confident. */
  readonly temperature: number;
  /** Cases it was fitted on. */
  readonly cases: number;
  readonly before: CalibrationFigures;
  readonly after: CalibrationFigures;
  /** True where the likelihood still improves at an end of {@link TEMPERATURES} (because all cases are right, for example): T is that end. */
  readonly isAtBound: boolean;
};

export type CalibrationFigures = {
  /** Mean negative log-likelihood, in nats. */
  readonly negativeLogLikelihood: number;
  /** Of 15 bins, by the predicted class's confidence. */
  readonly expectedCalibrationError: number;
};

/** Lowest and highest temperature considered. */
const TEMPERATURES = [0.05, 20] as const;

/** float32's smallest normal number: a softmax that underflowed to 0 counts as this, whose logarithm is −87. */
const TINY = 2 ** -126;

/**
 * Fits a temperature to (cases × classes) row-major softmax probabilities.
 * @param shrinkage pulls T towards 1, the more the fewer cases there are: to the total log-likelihood comes shrinkage · (1/T − 1)² / 2.
 * @throws GmtlError as `brierScore`: without cases, for wrong labels, and for values that are not probabilities.
 */
export function fitTemperature(truth: Numbers, probabilities: Numbers, classes: number, shrinkage = 0): Temperature {
  const cases = checkProbabilities('fitTemperature', truth, probabilities, classes);
  const logits = Float64Array.from({ length: cases * classes }, (_, index) => logOf(probabilities[index]));
  const slopes = (inverse: number): Slopes => {
    const sum = { value: 0, first: 0, second: 0 };
    for (let start = 0; start < logits.length; start += classes) {
      const target = logits[start + truth[start / classes]];
      addSoftmaxTerm(logits, start, classes, target, inverse, sum);
    }
    return { value: sum.value / cases, first: sum.first / cases, second: sum.second / cases };
  };
  const { inverse, isAtBound } = minimize((at) => {
    const { value, first, second } = slopes(at);
    const pull = shrinkage / cases;
    return { value: value + (pull * (at - 1) ** 2) / 2, first: first + pull * (at - 1), second: second + pull };
  });
  const scaled = applyTemperature(probabilities, classes, 1 / inverse);
  return {
    temperature: 1 / inverse,
    cases,
    before: {
      negativeLogLikelihood: slopes(1).value,
      expectedCalibrationError: expectedCalibrationError(truth, probabilities, classes),
    },
    after: {
      negativeLogLikelihood: slopes(inverse).value,
      expectedCalibrationError: expectedCalibrationError(truth, scaled, classes),
    },
    isAtBound,
  };
}

/** softmax(log p / T) of each row of (cases × classes) probabilities. @throws GmtlError `metrics/temperature` unless T > 0. */
export function applyTemperature(probabilities: Numbers, classes: number, temperature: number): Float64Array {
  checkTemperature(temperature);
  const result = new Float64Array(probabilities.length);
  for (let start = 0; start < result.length; start += classes) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let index = start; index < start + classes; index++) {
      result[index] = logOf(probabilities[index]) / temperature;
      largest = Math.max(largest, result[index]);
    }
    let sum = 0;
    for (let index = start; index < start + classes; index++) {
      result[index] = Math.exp(result[index] - largest);
      sum += result[index];
    }
    for (let index = start; index < start + classes; index++) result[index] /= sum;
  }
  return result;
}

/** {@link fitTemperature} of graded (or gated) cases. @throws GmtlError as that and as `stackCases`. */
export function fitCasesTemperature(cases: readonly GradedCase[], classes: number, shrinkage = 0): Temperature {
  const { truth, probabilities } = stackCases(cases, classes);
  return fitTemperature(truth, probabilities, classes, shrinkage);
}

/** The cases with {@link applyTemperature} applied to their probabilities. */
export function temperCases<Case extends GradedCase>(cases: readonly Case[], temperature: number): Case[] {
  return cases.map((one) => ({
    ...one,
    probabilities: applyTemperature(one.probabilities, one.probabilities.length, temperature),
  }));
}

/** A mean negative log-likelihood and its derivatives by the inverse temperature. */
type Slopes = { value: number; first: number; second: number };

/** Adds −β·z[target] + ln Σ exp(β·z), whose derivatives are the mean of z less the target's and the variance of z. */
function addSoftmaxTerm(
  logits: Float64Array,
  start: number,
  classes: number,
  target: number,
  inverse: number,
  sum: Slopes,
): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = start; index < start + classes; index++) largest = Math.max(largest, logits[index]);
  let mass = 0;
  let mean = 0;
  let square = 0;
  for (let index = start; index < start + classes; index++) {
    // Measured from the largest logit, so that nothing overflows.
    const logit = logits[index] - largest;
    const share = Math.exp(inverse * logit);
    mass += share;
    mean += share * logit;
    square += share * logit * logit;
  }
  mean /= mass;
  sum.value += Math.log(mass) - inverse * (target - largest);
  sum.first += mean - (target - largest);
  sum.second += square / mass - mean * mean;
}

/**
 * The inverse temperature β of least loss: Newton's method on the slope, which rises with β (the loss is convex in β), held in a
 * shrinking bracket by bisection.
 */
function minimize(slopes: (inverse: number) => Slopes): { inverse: number; isAtBound: boolean } {
  let low = 1 / TEMPERATURES[1];
  let high = 1 / TEMPERATURES[0];
  // Flat from end to end: every T is equally good (for uniform probabilities, for example), so keep T = 1.
  if (slopes(low).first === 0 && slopes(high).first === 0) return { inverse: 1, isAtBound: false };
  if (slopes(low).first >= 0) return { inverse: low, isAtBound: true };
  if (slopes(high).first <= 0) return { inverse: high, isAtBound: true };
  let inverse = 1;
  for (let step = 0; step < 200; step++) {
    const { first, second } = slopes(inverse);
    if (first === 0) break;
    if (first > 0) high = inverse;
    else low = inverse;
    const newton = inverse - first / second;
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    if (Math.abs(next - inverse) <= 1e-13 * inverse) break;
    inverse = next;
  }
  return { inverse, isAtBound: false };
}

function logOf(probability: number): number {
  return Math.log(Math.max(probability, TINY));
}

function checkTemperature(temperature: number): void {
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new GmtlError('metrics/temperature', `A temperature is a positive number, not ${temperature}.`);
  }
}
