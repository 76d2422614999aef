/** How far a case lies from others in several numbers at once: Mahalanobis' distance under a shrunk covariance. */
import { GmtlError } from '../../engine/errors.ts';
import { percentile } from './bootstrap.ts';

/** A cloud of cases: its center, spread and edge. Plain JSON. */
export interface Cloud {
  readonly mean: readonly number[];
  /** Row-major, `mean.length` squared. */
  readonly covariance: readonly number[];
  /** Cases it was fitted to. */
  readonly cases: number;
  /** {@link mahalanobis} below which `quantile` of the cases lie, each measured from a cloud that was fitted without it. */
  readonly limit: number;
  readonly quantile: number;
}

/** Parts into which the cases are cut for the limit. */
const FOLDS = 5;

/**
 * Fits a cloud to the rows. Its covariance is Ledoit and Wolf's (Journal of Multivariate Analysis 88, 2004; scikit-learn's `LedoitWolf`), in units of
 * the tolerances, plus the tolerances squared: differences as small as a tolerance never count, however alike the rows are.
 *
 * @param tolerances one for each number of a row, in its unit. @param quantile share of the rows within the limit.
 * @throws GmtlError `metrics/empty` for fewer rows than folds.
 */
export function fitCloud(rows: readonly (readonly number[])[], tolerances: readonly number[], quantile: number): Cloud {
  if (rows.length < FOLDS) {
    throw new GmtlError('metrics/empty', `fitCloud: ${rows.length} cases; ${FOLDS} are the fewest that have a spread.`);
  }
  const heldOut = Array.from({ length: FOLDS }, (_, fold) => {
    const own = spreadOf(
      rows.filter((_row, index) => index % FOLDS !== fold),
      tolerances,
    );
    return rows.filter((_row, index) => index % FOLDS === fold).map((row) => mahalanobis(row, own));
  }).flat();
  const limit = percentile(
    heldOut.sort((a, b) => a - b),
    quantile,
  );
  return { ...spreadOf(rows, tolerances), cases: rows.length, limit, quantile };
}

/** √((x − μ)ᵀ Σ⁻¹ (x − μ)) (Mahalanobis 1936). @throws GmtlError `metrics/length` where lengths differ. */
export function mahalanobis(row: readonly number[], { mean, covariance }: Pick<Cloud, 'mean' | 'covariance'>): number {
  const size = mean.length;
  if (row.length !== size || covariance.length !== size * size) {
    throw new GmtlError('metrics/length', `mahalanobis: ${row.length} numbers for a cloud of ${size}.`);
  }
  const lower = cholesky(covariance, size);
  // Forward substitution: the squared length of L⁻¹ (x − μ).
  const solved = new Float64Array(size);
  let sum = 0;
  for (let i = 0; i < size; i++) {
    let value = row[i] - mean[i];
    for (let j = 0; j < i; j++) value -= lower[i * size + j] * solved[j];
    solved[i] = value / lower[i * size + i];
    sum += solved[i] ** 2;
  }
  return Math.sqrt(sum);
}

/** How many of its own deviations each number is off. */
export const deviationsOf = (
  row: readonly number[],
  { mean, covariance }: Pick<Cloud, 'mean' | 'covariance'>,
): number[] => row.map((value, index) => (value - mean[index]) / Math.sqrt(covariance[index * (mean.length + 1)]));

function spreadOf(
  rows: readonly (readonly number[])[],
  tolerances: readonly number[],
): Pick<Cloud, 'mean' | 'covariance'> {
  const mean = tolerances.map((_, index) => rows.reduce((sum, row) => sum + row[index], 0) / rows.length);
  const scaled = rows.map((row) => row.map((value, index) => (value - mean[index]) / tolerances[index]));
  const shrunk = ledoitWolf(scaled);
  const size = tolerances.length;
  const covariance = shrunk.map((value, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    return (value + (i === j ? 1 : 0)) * tolerances[i] * tolerances[j];
  });
  return { mean, covariance };
}

/** The covariance of centered rows, shrunk towards a multiple of the identity by Ledoit and Wolf's share. */
export function ledoitWolf(rows: readonly (readonly number[])[]): number[] {
  const [count, size] = [rows.length, rows[0].length];
  const product = (value: (row: readonly number[], i: number) => number): number[] =>
    Array.from({ length: size * size }, (_, at) =>
      rows.reduce((sum, row) => sum + value(row, Math.floor(at / size)) * value(row, at % size), 0),
    );
  const covariance = product((row, i) => row[i]).map((sum) => sum / count);
  const scale = Array.from({ length: size }, (_, i) => covariance[i * (size + 1)]).reduce((a, b) => a + b, 0) / size;
  const squared = covariance.reduce((sum, value) => sum + value * value, 0);
  const fourth = product((row, i) => row[i] ** 2).reduce((a, b) => a + b, 0);
  const distance = (squared - size * scale * scale) / size;
  const noise = Math.min((fourth / count - squared) / (size * count), distance);
  const share = distance <= 0 ? 0 : noise / distance;
  return covariance.map((value, at) => (1 - share) * value + (at % (size + 1) === 0 ? share * scale : 0));
}

/** L of A = L Lᵀ, row-major. @throws GmtlError `metrics/covariance` unless A is positive definite. */
function cholesky(matrix: readonly number[], size: number): Float64Array {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j];
      for (let k = 0; k < j; k++) sum -= lower[i * size + k] * lower[j * size + k];
      if (i === j && !(sum > 0)) throw new GmtlError('metrics/covariance', 'a covariance is not positive definite.');
      lower[i * size + j] = i === j ? Math.sqrt(sum) : sum / lower[j * size + j];
    }
  }
  return lower;
}
