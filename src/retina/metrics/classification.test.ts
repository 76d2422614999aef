/** Tier: no adapter. Grading and gate figures against scikit-learn. */
import { describe, expect, it } from 'vitest';
import { brierScore, expectedCalibrationError, reliabilityBins } from './calibration.ts';
import {
  accuracy,
  balancedAccuracy,
  classScores,
  confusionMatrix,
  jointAccuracy,
  macroScores,
  quadraticWeightedKappa,
} from './confusion.ts';
import fixtures from './fixtures/metrics.json' with { type: 'json' };
import { attainableAccuracy, gateReport } from './gate.ts';
import { gradingReport } from './grading.ts';
import { gradingIntervals, jointInterval } from './gradingIntervals.ts';
import { predictedClasses } from './inputs.ts';
import {
  auroc,
  averagePrecision,
  gradeAuroc,
  gradeScores,
  oneVersusRestAuroc,
  sensitivityAtSpecificity,
} from './ranking.ts';

/** The fixtures are float64 sums in another order: agreement to 12 digits. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let index = 0; index < expected.length; index++) {
    if (Number.isNaN(expected[index])) expect(actual[index]).toBeNaN();
    else expect(actual[index]).toBeCloseTo(expected[index], 12);
  }
}

/** JSON has no NaN: a figure that the cases leave undefined is null there. */
const defined = (values: readonly (number | null)[]): number[] => values.map((value) => value ?? Number.NaN);

describe.each(fixtures.classification)('grading metrics equal scikit-learn: $name', (fixture) => {
  const { truth, probabilities, classes } = fixture;
  const matrix = confusionMatrix(truth, predictedClasses(probabilities, classes), classes);

  it('confusion matrix, accuracies, per-class and macro scores', () => {
    expect(Array.from(matrix.counts)).toEqual(fixture.confusion);
    expectClose([accuracy(matrix), balancedAccuracy(matrix)], [fixture.accuracy, fixture.balancedAccuracy]);
    const scores = classScores(matrix);
    expectClose(
      scores.map((one) => one.precision),
      defined(fixture.precision),
    );
    expectClose(
      scores.map((one) => one.recall),
      defined(fixture.recall),
    );
    expectClose(
      scores.map((one) => one.sensitivity),
      defined(fixture.recall),
    );
    expectClose(
      scores.map((one) => one.specificity),
      fixture.specificity,
    );
    expectClose(
      scores.map((one) => one.f1),
      defined(fixture.f1),
    );
    expect(scores.map((one) => one.support)).toEqual(fixture.support);
    const macro = macroScores(matrix);
    expectClose(
      [macro.precision, macro.recall, macro.f1],
      [fixture.macroPrecision, fixture.macroRecall, fixture.macroF1],
    );
  });

  it('quadratic weighted kappa', () => {
    expect(quadraticWeightedKappa(matrix)).toBeCloseTo(fixture.kappa, 12);
  });

  it('AUROC: one against the rest, any retinopathy, referable', () => {
    const result = oneVersusRestAuroc(truth, probabilities, classes);
    expectClose(
      result.perClass,
      fixture.auroc.map((value) => value ?? Number.NaN),
    );
    expect(result.macro).toBeCloseTo(fixture.macroAuroc, 12);
    expect(gradeAuroc(truth, probabilities, classes, 1)).toBeCloseTo(fixture.anyAuroc, 12);
    expect(gradeAuroc(truth, probabilities, classes, 2)).toBeCloseTo(fixture.referableAuroc, 12);
  });

  it('calibration error and Brier score', () => {
    expect(expectedCalibrationError(truth, probabilities, classes)).toBeCloseTo(fixture.ece, 12);
    expect(brierScore(truth, probabilities, classes)).toBeCloseTo(fixture.brier, 12);
    const { positives, scores } = gradeScores(truth, probabilities, classes, 1);
    const twoColumns = Array.from(scores).flatMap((score) => [1 - score, score]);
    // Rounded softmax rows sum to 1 only within 5e-6, and 1 − p(0) differs from the other grades' sum by that much.
    expect(brierScore(positives, twoColumns, 2) / 2).toBeCloseTo(fixture.brierBinaryAny, 5);
    expect(reliabilityBins(truth, probabilities, classes).reduce((sum, bin) => sum + bin.count, 0)).toBe(truth.length);
  });

  it('the report gathers the same figures', () => {
    const cases = truth.map((label, index) => ({
      id: String(index),
      truth: label,
      probabilities: probabilities.slice(index * classes, (index + 1) * classes),
    }));
    const report = gradingReport(cases, classes);
    expect(report.accuracy).toBeCloseTo(fixture.accuracy, 12);
    expect(report.macro.f1).toBeCloseTo(fixture.macroF1, 12);
    expect(report.macroAuroc).toBeCloseTo(fixture.macroAuroc, 12);
    const intervals = gradingIntervals(cases, classes, { resamples: 200 });
    expect(intervals.quadraticWeightedKappa.estimate).toBeCloseTo(fixture.kappa, 12);
    expect(intervals.accuracy.low).toBeLessThan(fixture.accuracy);
    expect(intervals.accuracy.high).toBeGreaterThan(fixture.accuracy);
  });
});

describe.each(fixtures.ranking)('ranking metrics equal scikit-learn and SciPy: $name', (fixture) => {
  it('AUROC, average precision, sensitivity at specificity 0.8', () => {
    expect(auroc(fixture.positives, fixture.scores)).toBeCloseTo(fixture.auroc, 12);
    expect(auroc(fixture.positives, fixture.scores)).toBeCloseTo(fixture.mannWhitney, 12);
    expect(averagePrecision(fixture.positives, fixture.scores)).toBeCloseTo(fixture.averagePrecision, 12);
    const point = sensitivityAtSpecificity(fixture.positives, fixture.scores, 0.8);
    expect(point.sensitivity).toBeCloseTo(fixture.sensitivityAtSpecificity80, 12);
    expect(point.specificity).toBeGreaterThanOrEqual(0.8);
  });
});

describe('joint accuracy', () => {
  const [dr, dme] = fixtures.classification;

  it('wants both grades right', () => {
    const predicted = [predictedClasses(dr.probabilities, 5), predictedClasses(dme.probabilities, 3)];
    expect(jointAccuracy(dr.truth, predicted[0], dme.truth, predicted[1])).toBeCloseTo(fixtures.jointAccuracy, 12);
    const cases = dr.truth.map((label, index) => ({
      id: String(index),
      dr: { id: '', truth: label, probabilities: dr.probabilities.slice(index * 5, index * 5 + 5) },
      dme: { id: '', truth: dme.truth[index], probabilities: dme.probabilities.slice(index * 3, index * 3 + 3) },
    }));
    const interval = jointInterval(cases, { resamples: 300 });
    expect(interval.estimate).toBeCloseTo(fixtures.jointAccuracy, 12);
    expect(interval.low).toBeLessThan(interval.estimate);
    expect(interval.high).toBeGreaterThan(interval.estimate);
  });
});

describe('the gate', () => {
  it('reports accuracy, entropy, routes and misroutes', () => {
    const cases = fixtures.gate.truth.map((truth, index) => ({
      id: `case ${index}`,
      truth,
      probabilities: fixtures.gate.probabilities[index],
    }));
    const report = gateReport(cases, ['segmentation', 'classification']);
    expect(report.accuracy).toBeCloseTo(fixtures.gate.accuracy, 12);
    expect(report.meanEntropy).toBeCloseTo(fixtures.gate.meanEntropy, 12);
    expect(report.routes.map((route) => route.routed)).toEqual(fixtures.gate.routed);
    expect(report.misroutes.map((one) => one.id).sort()).toEqual(
      fixtures.gate.wrong.map((index) => `case ${index}`).sort(),
    );
    expect(report.misroutes.every((one) => one.truth !== one.routed && one.probability >= 0.5)).toBe(true);
    expect(report.misroutes[0].probability).toBeGreaterThanOrEqual(report.misroutes.at(-1)?.probability ?? 1);
  });

  it('reports the best accuracy of a gate that goes by the kind of a picture alone', () => {
    const of = (truth: number, kind?: string) => ({ id: 'x', truth, probabilities: [0.5, 0.5], ...(kind && { kind }) });
    // Three healthy ones are all graded; of five ill ones three have masks, two grades: 3 + 3 of 8.
    const cases = [
      ...[1, 1, 1].map((truth) => of(truth, 'none')),
      ...[0, 0, 0, 1, 1].map((truth) => of(truth, 'lesions')),
    ];
    expect(attainableAccuracy(cases)).toBe(6 / 8);
    expect(gateReport(cases, ['segmentation', 'classification']).attainable).toBe(6 / 8);
    expect(attainableAccuracy([...cases, of(0)])).toBeUndefined();
  });
});

describe('undefined and wrong inputs', () => {
  it('gives NaN, not a number made up, where a score is undefined', () => {
    expect(auroc([1, 1], [0.1, 0.2])).toBeNaN();
    expect(averagePrecision([0, 0], [0.1, 0.2])).toBeNaN();
    expect(quadraticWeightedKappa(confusionMatrix([2, 2], [2, 2], 3))).toBeNaN();
  });

  it('names the case that is wrong', () => {
    expect(() => confusionMatrix([0, 5], [0, 1], 5)).toThrow(/label 5 of case 1/);
    expect(() => confusionMatrix([0], [0, 1], 5)).toThrow(/1 and 2 entries/);
    expect(() => brierScore([0, 1], [0.5, 0.5, Number.NaN, 0.5], 2)).toThrow(/NaN of case 1, class 0/);
    expect(() => auroc([0, 1], [0.5, Number.NaN])).toThrow(/case 1 is NaN/);
    expect(() => gradeAuroc([0], [0.5, 0.5], 2, 2)).toThrow(/does not split/);
    expect(() => gateReport([{ id: 'IDRiD_07', truth: 0, probabilities: [3, -1] }], ['a', 'b'])).toThrow(/IDRiD_07/);
    expect(() => gradingReport([{ id: 'IDRiD_09', truth: 0, probabilities: [1] }], 5)).toThrow(/IDRiD_09/);
    expect(() => sensitivityAtSpecificity([1], [1], 0.5)).toThrow(/one class/);
  });
});

describe('B33: absent classes', () => {
  it('are left out of macro figures, not counted as 0', () => {
    const report = gradingReport(
      [0, 2, 2, 0].map((truth, index) => ({
        id: String(index),
        truth,
        probabilities: [0, 1, 2, 3, 4].map((grade) => (grade === truth ? 0.8 : 0.05)),
      })),
      5,
    );
    expect(report.macro).toEqual({ precision: 1, recall: 1, f1: 1 });
    expect(report.balancedAccuracy).toBe(1);
    expect(report.classes.map(({ sensitivity }) => sensitivity)).toEqual([1, Number.NaN, 1, Number.NaN, Number.NaN]);
    expect(JSON.parse(JSON.stringify(report)).classes[4]).toMatchObject({
      sensitivity: null,
      precision: null,
      f1: null,
    });
  });

  it('that are predicted cost precision and F1, and have no recall', () => {
    const matrix = confusionMatrix([0, 0, 0, 1], [0, 0, 2, 1], 3);
    const macro = macroScores(matrix);
    expectClose([macro.precision, macro.recall, macro.f1], [2 / 3, 5 / 6, 0.6]);
    expect(classScores(matrix)[2]).toMatchObject({ precision: 0, f1: 0, recall: Number.NaN, support: 0, predicted: 1 });
  });
});
