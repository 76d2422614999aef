/** Checks of labels and probabilities, and how a class is decided from them. */
import { GmtlError } from '../../engine/errors.ts';

/** Numbers addressed by index: a plain array or any typed array. */
export type Numbers = ArrayLike<number>;

/** Throws `metrics/length` unless both inputs have the same, non-zero length; returns that length. */
export function sameLength(metric: string, first: Numbers, second: Numbers, names = 'truth and prediction'): number {
  if (first.length !== second.length) {
    throw new GmtlError(
      'metrics/length',
      `${metric}: ${names} have ${first.length} and ${second.length} entries; pass one of each a case.`,
    );
  }
  if (first.length === 0) {
    throw new GmtlError('metrics/empty', `${metric}: no cases were given; a metric of nothing is undefined.`);
  }
  return first.length;
}

/** Throws `metrics/label` unless `label` is an integer in [0, classes). */
export function checkLabel(metric: string, label: number, classes: number, index: number): void {
  if (!Number.isInteger(label) || label < 0 || label >= classes) {
    throw new GmtlError(
      'metrics/label',
      `${metric}: label ${label} of case ${index} is not an integer in [0, ${classes}); check the label file or the class count.`,
    );
  }
}

/**
 * Checks a (cases × classes) row-major probability matrix against its truth labels and returns the number of cases.
 * @throws GmtlError `metrics/length`, `metrics/label`, or `metrics/probability` when a value is not finite or outside [0, 1].
 */
export function checkProbabilities(metric: string, truth: Numbers, probabilities: Numbers, classes: number): number {
  const cases = truth.length;
  if (cases === 0) {
    throw new GmtlError('metrics/empty', `${metric}: no cases were given; a metric of nothing is undefined.`);
  }
  if (probabilities.length !== cases * classes) {
    throw new GmtlError(
      'metrics/length',
      `${metric}: ${probabilities.length} probabilities for ${cases} cases of ${classes} classes; expected ${cases * classes}, row by row.`,
    );
  }
  for (let index = 0; index < cases; index++) checkLabel(metric, truth[index], classes, index);
  for (let index = 0; index < probabilities.length; index++) {
    const value = probabilities[index];
    // Softmax in float32 can exceed 1 by one unit in the last place.
    if (!(value >= 0 && value <= 1 + 1e-6)) {
      throw new GmtlError(
        'metrics/probability',
        `${metric}: value ${value} of case ${Math.floor(index / classes)}, class ${index % classes} is not a probability; apply softmax first and check for NaN.`,
      );
    }
  }
  return cases;
}

/** Index of the largest of `classes` values starting at `offset`; the lowest index wins a tie. */
export function argmax(values: Numbers, offset: number, classes: number): number {
  let best = 0;
  for (let index = 1; index < classes; index++) {
    if (values[offset + index] > values[offset + best]) best = index;
  }
  return best;
}

/**
 * How a grade is decided from its probabilities. mode: the most probable. median: the lowest grade at or below which
 * at least half of the probability lies. It has the least expected distance in grades and equals the number of k with
 * P(grade > k) > 1/2, by which ordinal networks (CORAL, CORN) decide. It depends on the order of the classes: use it for grades only.
 */
export type GradeDecision = 'mode' | 'median';

/** The grade that `decision` picks from the probabilities of `classes` grades from `offset` on. */
export function decideGrade(decision: GradeDecision, values: Numbers, offset = 0, classes = values.length): number {
  if (decision === 'mode') return argmax(values, offset, classes);
  let below = 0;
  for (let grade = 0; grade < classes - 1; grade++) {
    below += values[offset + grade];
    if (below >= 0.5) return grade;
  }
  return classes - 1;
}

/** Row-wise {@link decideGrade} of a (cases × classes) row-major matrix. */
export function predictedClasses(
  probabilities: Numbers,
  classes: number,
  decision: GradeDecision = 'mode',
): Int32Array {
  const cases = probabilities.length / classes;
  if (!Number.isInteger(cases)) {
    throw new GmtlError(
      'metrics/length',
      `predictedClasses: ${probabilities.length} values are not a whole number of rows of ${classes} classes.`,
    );
  }
  return Int32Array.from({ length: cases }, (_, index) =>
    decideGrade(decision, probabilities, index * classes, classes),
  );
}

/** Mean of the values that are not NaN; NaN where all are. */
export function meanOfDefined(values: readonly number[]): number {
  const defined = values.filter((value) => !Number.isNaN(value));
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
