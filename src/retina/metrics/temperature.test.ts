/** Tier: no adapter. Temperature scaling, thresholds, and precision-recall curves. */
import { describe, expect, it } from 'vitest';
import base from './fixtures/metrics.json' with { type: 'json' };
import fixtures from './fixtures/protocol.json' with { type: 'json' };
import { precisionRecallCurve } from './precisionRecall.ts';
import { ScoreHistogram } from './scoreHistogram.ts';
import { SegmentationAccumulator } from './segmentation.ts';
import { applyTemperature, fitCasesTemperature, fitTemperature, temperCases } from './temperature.ts';
import { fitThreshold, thresholdValues } from './thresholds.ts';

describe.each(fixtures.temperature.classes)('temperature of grades equals scipy.optimize: $name', (fixture) => {
  const { truth, probabilities, temperature } = fixture;
  const fitted = fitTemperature(truth, probabilities, 5);

  it('temperature, likelihood and calibration error before and after', () => {
    // SciPy stops at the square root of machine precision, where the loss no longer changes.
    expect(fitted.temperature).toBeCloseTo(temperature, 6);
    expect(fitted).toMatchObject({ cases: truth.length, isAtBound: false });
    expect(fitted.before.negativeLogLikelihood).toBeCloseTo(fixture.before, 10);
    expect(fitted.after.negativeLogLikelihood).toBeCloseTo(fixture.after, 12);
    expect(fitted.before.expectedCalibrationError).toBeCloseTo(fixture.eceBefore, 6);
    expect(fitted.after.expectedCalibrationError).toBeCloseTo(fixture.eceAfter, 6);
  });

  it('scaled probabilities', () => {
    applyTemperature(probabilities, 5, temperature).forEach((value, index) => {
      expect(value).toBeCloseTo(fixture.scaled[index], 10);
    });
    const cases = truth.map((label, index) => ({
      id: `${index}`,
      truth: label,
      probabilities: probabilities.slice(index * 5, index * 5 + 5),
    }));
    expect(fitCasesTemperature(cases, 5)).toEqual(fitted);
    const again = fitCasesTemperature(temperCases(cases, fitted.temperature), 5);
    expect(again.temperature).toBeCloseTo(1, 6);
    expect(JSON.parse(JSON.stringify(fitted))).toEqual(fitted);
  });
});

describe('temperature', () => {
  it('says where it ran into a bound: nothing but right, nothing but wrong', () => {
    const right = fitTemperature([0, 1], [0.6, 0.4, 0.3, 0.7], 2);
    expect(right).toMatchObject({ isAtBound: true });
    expect(right.temperature).toBeCloseTo(0.05, 12);
    const wrong = fitTemperature([1, 0], [0.6, 0.4, 0.3, 0.7], 2);
    expect(wrong).toMatchObject({ isAtBound: true });
    expect(wrong.temperature).toBeCloseTo(20, 12);
  });

  it('leaves uniform probabilities alone and survives probabilities of 0', () => {
    expect(fitTemperature([0, 1], [0.5, 0.5, 0.5, 0.5], 2)).toMatchObject({ temperature: 1, isAtBound: false });
    // Two of three right at log-odds of ±87: a probability of 2/3 would need T = 126.
    const { temperature, after, isAtBound } = fitTemperature([0, 1, 1], [1, 0, 0, 1, 1, 0], 2);
    expect([temperature, isAtBound]).toEqual([20, true]);
    const logOdds = (126 * Math.LN2) / 20;
    expect(after.negativeLogLikelihood).toBeCloseTo(Math.log1p(Math.exp(-logOdds)) + logOdds / 3, 10);
    expect(Array.from(applyTemperature([1, 0], 2, 2))).toEqual([1, expect.closeTo(0, 12)]);
  });

  it('refuses what is not a temperature and what is not a probability', () => {
    expect(() => applyTemperature([1, 0], 2, 0)).toThrow(/positive number, not 0/);
    expect(() => applyTemperature([1, 0], 2, Number.NaN)).toThrow(/not NaN/);
    expect(() => fitTemperature([0], [Number.NaN, 0.5], 2)).toThrow(/NaN of case 0/);
  });
});

const pooled = new ScoreHistogram();
for (const { truth, probability } of base.segmentation.images) pooled.add(truth, probability);

describe('thresholds', () => {
  it('of highest Dice equals a search with scikit-learn over all of the grid', () => {
    const { threshold, dice, diceAtHalf } = fixtures.thresholds;
    const fitted = fitThreshold(pooled);
    expect(fitted.threshold).toBeCloseTo(threshold, 12);
    expect(fitted.dice).toBeCloseTo(dice, 12);
    expect(fitted.diceAtHalf).toBeCloseTo(diceAtHalf, 12);
    expect(fitted.reason).toBe('fitted');
  });

  it('takes the nearest to one half of equally good ones, and one half for a lesion that is absent', () => {
    const gap = new ScoreHistogram();
    gap.add([1, 0], [0.9, 0.2]);
    expect(fitThreshold(gap)).toMatchObject({ threshold: 0.5, dice: 1 });
    const low = new ScoreHistogram();
    low.add([1, 0], [0.3, 0.1]);
    expect(fitThreshold(low)).toMatchObject({ threshold: 0.3, dice: 1, diceAtHalf: 0 });
    const absent = new ScoreHistogram();
    absent.add([0, 0], [0.3, 0.1]);
    expect(fitThreshold(absent)).toMatchObject({ threshold: 0.5, positives: 0, reason: 'lesion-absent' });
  });

  it('of an accumulator go into another one, by lesion', () => {
    const validation = new SegmentationAccumulator(['MA', 'SE']);
    validation.add('a', 'MA', [1, 0, 0], [0.3, 0.1, 0.2]);
    validation.add('a', 'SE', [0, 0, 0], [0.3, 0.1, 0.2]);
    const fitted = (structure: string) => fitThreshold(validation.histogram(structure));
    const values = thresholdValues({ MA: fitted('MA'), SE: fitted('SE') });
    expect(values).toEqual({ MA: 0.3, SE: 0.5 });
    const test = new SegmentationAccumulator(['MA', 'SE'], { threshold: values });
    test.add('b', 'MA', [1, 0, 0], [0.4, 0.1, 0.2]);
    test.add('b', 'SE', [1, 0, 0], [0.4, 0.1, 0.2]);
    expect(test.result()).toMatchObject({ MA: { dice: 1, threshold: 0.3 }, SE: { dice: 0, threshold: 0.5 } });
    expect(() => test.histogram('XX')).toThrow(/unknown lesion XX/);
  });
});

describe('the precision–recall curve', () => {
  const { thresholds, precision, recall } = fixtures.segmentation.precisionRecall;

  it("holds points of scikit-learn's curve only, with both ends, at most as many as asked for", () => {
    for (const maximumPoints of [2, 7, 200]) {
      const points = precisionRecallCurve(pooled, maximumPoints);
      expect(points.length).toBeLessThanOrEqual(maximumPoints);
      expect(points[0].threshold).toBe(thresholds.at(-1));
      expect(points.at(-1)).toMatchObject({ threshold: 0, recall: 1 });
      for (const point of points) {
        const index = thresholds.findIndex((threshold) => Math.abs(threshold - point.threshold) < 1e-9);
        expect(point.recall).toBeCloseTo(recall[index], 12);
        expect(point.precision).toBeCloseTo(precision[index], 12);
      }
    }
  });

  it('keeps the shape: no step of recall above a hundredth with 200 points, but where the curve itself leaps', () => {
    const points = precisionRecallCurve(pooled);
    const leap = 1 / pooled.positiveCount();
    points.slice(1).forEach((point, index) => {
      expect(point.recall - points[index].recall).toBeLessThanOrEqual(Math.max(0.01, 2 * leap) + 1e-12);
    });
  });

  it('is empty without truth', () => {
    const absent = new ScoreHistogram();
    absent.add([0], [0.3]);
    expect(precisionRecallCurve(absent)).toEqual([]);
    expect(() => precisionRecallCurve(pooled, 1)).toThrow(/2 or more/);
  });
});
