/** ||got - want|| / ||want||; infinite where anything is NaN. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY;
  let squares = 0;
  let norm = 0;
  for (let i = 0; i < want.length; i++) {
    squares += (got[i] - want[i]) ** 2;
    norm += want[i] ** 2;
  }
  const error = Math.sqrt(squares) / Math.max(Math.sqrt(norm), 1e-6 * Math.sqrt(want.length));
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}
