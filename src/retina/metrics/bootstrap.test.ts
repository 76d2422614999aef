/** Tier: no adapter. Bootstrap intervals and percentiles. */
import { describe, expect, it } from 'vitest';
import { bootstrapInterval, percentile } from './bootstrap.ts';
import fixtures from './fixtures/metrics.json' with { type: 'json' };

const fixture = fixtures.bootstrap;
const mean = (values: readonly number[]): number => values.reduce((left, right) => left + right, 0) / values.length;

describe('bootstrapInterval', () => {
  it('agrees with scipy.stats.bootstrap (percentile) within its own noise', () => {
    const interval = bootstrapInterval(fixture.values, mean, { resamples: 20_000, seed: 7 });
    expect(interval.estimate).toBeCloseTo(fixture.mean, 12);
    // The standard error of a 2.5 % quantile from 20,000 draws is about 0.02 standard errors of the mean, here 0.3.
    expect(Math.abs(interval.low - fixture.low)).toBeLessThan(0.03);
    expect(Math.abs(interval.high - fixture.high)).toBeLessThan(0.03);
  });

  it('repeats with the seed and changes with it', () => {
    const draw = (seed: number) => bootstrapInterval(fixture.values, mean, { resamples: 200, seed });
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5).low).not.toBe(draw(6).low);
  });

  it('leaves out and counts resamples on which the metric is undefined', () => {
    const onlyWithBoth = (values: readonly number[]): number =>
      new Set(values).size === 2 ? mean(values) : Number.NaN;
    const interval = bootstrapInterval([0, 1], onlyWithBoth, { resamples: 400 });
    // Two draws of two cases are the same case half of the time.
    expect(interval.undefinedResamples).toBeGreaterThan(150);
    expect(interval.undefinedResamples).toBeLessThan(250);
    expect([interval.low, interval.high]).toEqual([0.5, 0.5]);
    expect(bootstrapInterval([1], () => Number.NaN, { resamples: 3 })).toMatchObject({
      low: Number.NaN,
      undefinedResamples: 3,
    });
  });

  it('refuses what it cannot resample', () => {
    expect(() => bootstrapInterval([], mean)).toThrow(/no cases/);
    expect(() => bootstrapInterval([1], mean, { level: 95 })).toThrow(/level in \(0, 1\)/);
  });
});

describe('percentile', () => {
  it("is NumPy's default quantile", () => {
    const sorted = Float64Array.from(fixture.values).sort();
    fixture.shares.forEach((share, index) => {
      expect(percentile(sorted, share)).toBeCloseTo(fixture.percentiles[index], 12);
    });
  });
});
