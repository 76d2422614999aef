/** Percentile bootstrap intervals of figures over cases. */
import { GmtlError } from '../../engine/errors.ts';
import { Generator } from '../../engine/tensor/random.ts';

/** How a {@link bootstrapInterval} is drawn. */
export type BootstrapOptions = {
  /** Number of resamples; 2000 puts the ends of a 95 % interval on 50 resamples each. Default 2000. */
  readonly resamples?: number;
  /** Coverage in (0, 1). Default 0.95. */
  readonly level?: number;
  /** Seed of the resamples: the same seed gives the same interval. Default 1. */
  readonly seed?: number;
};

const DEFAULTS = { resamples: 2000, level: 0.95, seed: 1 };

/** A metric with its percentile interval. */
export type Interval = {
  /** The metric on the cases as given. */
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  readonly level: number;
  readonly resamples: number;
  /** Resamples on which the metric was NaN (the AUROC of a resample with one class, for example); they are left out of the percentiles. */
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
  const values: number[] = [];
  eachResample(cases.length, options, (drawn) => {
    values.push(metric(Array.from(drawn, (index) => cases[index])));
  });
  return intervalOf(metric(cases), values, options);
}

/** How often each case is in a resample; they add up to the number of cases. */
export type Weights = Uint32Array;

/** Figures in nested records and lists, with an interval in place of each number. */
export type IntervalsOf<Figures> = Figures extends number
  ? Interval
  : { readonly [Name in keyof Figures]: IntervalsOf<Figures[Name]> };

/**
 * {@link bootstrapInterval} for many figures in one loop over the resamples: a figure is a function of how often each case was
 * drawn, so that whatever does not depend on the draw (sorting scores, counting pixels) is done once, before the loop. The draws are those of
 * `bootstrapInterval` with the same seed and number of cases; figures of one call share them.
 *
 * @param measure all figures of a weighted sample, in nested records and lists of the same form every time. All weights are 1 for the
 *   estimate.
 */
export function bootstrapIntervals<Figures extends object>(
  cases: number,
  measure: (weights: Weights) => Figures,
  options: BootstrapOptions = {},
): IntervalsOf<Figures> {
  const weights = new Uint32Array(cases);
  const estimates = measure(weights.fill(1));
  const values: number[][] = [];
  eachNumber(estimates, () => values.push([]));
  eachResample(cases, options, (drawn) => {
    weights.fill(0);
    for (const index of drawn) weights[index]++;
    let place = 0;
    eachNumber(measure(weights), (value) => values[place++].push(value));
  });
  let place = 0;
  return mapNumbers(estimates, (estimate) => intervalOf(estimate, values[place++], options)) as IntervalsOf<Figures>;
}

/** Calls `visit` with each number of nested records and lists, in the order of {@link mapNumbers}. */
function eachNumber(tree: unknown, visit: (value: number) => void): void {
  if (typeof tree === 'number') visit(tree);
  else for (const name in tree as object) eachNumber((tree as Record<string, unknown>)[name], visit);
}

/** Nested records and lists with `make`'s result in place of each number. */
function mapNumbers(tree: unknown, make: (value: number) => unknown): unknown {
  if (typeof tree === 'number') return make(tree);
  if (Array.isArray(tree)) return tree.map((one) => mapNumbers(one, make));
  return Object.fromEntries(Object.entries(tree as object).map(([name, one]) => [name, mapNumbers(one, make)]));
}

/** Calls `visit` with the indices of each resample's cases; the array is reused. */
function eachResample(cases: number, options: BootstrapOptions, visit: (drawn: Uint32Array) => void): void {
  const { resamples, level, seed } = { ...DEFAULTS, ...options };
  if (cases === 0) throw new GmtlError('metrics/empty', 'bootstrapInterval: no cases to resample.');
  if (!Number.isInteger(resamples) || resamples < 1 || !(level > 0 && level < 1)) {
    throw new GmtlError(
      'metrics/bootstrap',
      `bootstrapInterval: ${resamples} resamples at level ${level}; resamples is a positive integer and level in (0, 1).`,
    );
  }
  const generator = new Generator(seed);
  const drawn = new Uint32Array(cases);
  for (let draw = 0; draw < resamples; draw++) {
    for (let index = 0; index < cases; index++) drawn[index] = generator.integer(cases);
    visit(drawn);
  }
}

function intervalOf(estimate: number, values: readonly number[], options: BootstrapOptions): Interval {
  const { level } = { ...DEFAULTS, ...options };
  const sorted = Float64Array.from(values.filter((value) => !Number.isNaN(value))).sort();
  return {
    estimate,
    low: percentile(sorted, (1 - level) / 2),
    high: percentile(sorted, (1 + level) / 2),
    level,
    resamples: values.length,
    undefinedResamples: values.length - sorted.length,
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
