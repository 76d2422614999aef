import { GmtlError } from '../errors.ts';
import { Generator } from '../tensor/random.ts';

/** How a {@link bootstrapInterval} is drawn. */
export type BootstrapOptions = {
  /** Number of resamples; 2000 puts the ends of a 95 % interval on 50 resamples each. Default 2000. */
  readonly resamples?: number;
  /** Coverage in (0, 1). Default 0.95. */
  readonly level?: number;
  /** Same seed, same interval. Default 1. */
  readonly seed?: number;
};

/** A metric with its percentile interval. */
export type Interval = {
  /** The metric on the cases as given. */
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  readonly level: number;
  readonly resamples: number;
  /** Resamples on which the metric was NaN (say an AUROC that drew one class only); they are left out of the percentiles. */
  readonly undefinedResamples: number;
};

/**
 * Percentile bootstrap (Efron, Annals of Statistics 7, 1979): draws as many cases as there are, with replacement, `resamples`
 * times, and takes the (1 − level)/2 and (1 + level)/2 percentiles of the metric. Works for any metric of a list of cases; the
 * case is the unit of resampling, so pass patients or images, not pixels.
 *
 * @returns low and high are NaN where the metric was undefined on every resample.
 * @throws GmtlError `metrics/empty` without cases, `metrics/bootstrap` for options out of range.
 */
export function bootstrapInterval<Case>(
  cases: readonly Case[],
  metric: (resample: readonly Case[]) => number,
  options: BootstrapOptions = {},
): Interval {
  const { resamples = 2000, level = 0.95, seed = 1 } = options;
  if (cases.length === 0) throw new GmtlError('metrics/empty', 'bootstrapInterval: no cases to resample.');
  if (!Number.isInteger(resamples) || resamples < 1 || !(level > 0 && level < 1)) {
    throw new GmtlError(
      'metrics/bootstrap',
      `bootstrapInterval: ${resamples} resamples at level ${level}; resamples is a positive integer and level in (0, 1).`,
    );
  }
  const generator = new Generator(seed);
  const resample = [...cases];
  const values: number[] = [];
  for (let draw = 0; draw < resamples; draw++) {
    for (let index = 0; index < cases.length; index++) resample[index] = cases[generator.integer(cases.length)];
    const value = metric(resample);
    if (!Number.isNaN(value)) values.push(value);
  }
  const sorted = Float64Array.from(values).sort();
  return {
    estimate: metric(cases),
    low: percentile(sorted, (1 - level) / 2),
    high: percentile(sorted, (1 + level) / 2),
    level,
    resamples,
    undefinedResamples: resamples - sorted.length,
  };
}

/** The `share` quantile (0..1) of ascending values with linear interpolation (NumPy's default); NaN for no values. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}
