import type { Tolerance } from '../src/ops/definition.ts';
import type { DType } from '../src/tensor/spec.ts';

export interface Difference {
  readonly relativeL2: number;
  readonly element: number;
  readonly worst: number;
}

/** ||got - want|| / ||want|| and the largest |got - want| / max(1, max |want|). NaN equals nothing. */
export function difference(got: ArrayLike<number>, want: ArrayLike<number>): Difference {
  let squares = 0;
  let norm = 0;
  let largest = 1;
  let worstAbsolute = 0;
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i] - want[i]);
    squares += error * error;
    norm += want[i] * want[i];
    largest = Math.max(largest, Math.abs(want[i]));
    if (!(error <= worstAbsolute)) {
      worstAbsolute = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
      worst = i;
    }
  }
  // Where the truth is (nearly) zero everywhere, a relative norm says nothing: errors are then held against 1e-6 an element.
  const scale = Math.max(Math.sqrt(norm), 1e-6 * Math.sqrt(want.length));
  const relativeL2 = Math.sqrt(squares) / scale;
  return {
    relativeL2: Number.isNaN(relativeL2) ? Number.POSITIVE_INFINITY : relativeL2,
    element: worstAbsolute / largest,
    worst,
  };
}

/** Null where `got` is within tolerance of `want`, else a sentence. Integers must be equal. */
export function mismatch(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  dtype: DType,
  tolerance: Tolerance,
): string | null {
  if (got.length !== want.length) return `${got.length} elements instead of ${want.length}`;
  const { relativeL2, element, worst } = difference(got, want);
  const at = `element ${worst} is ${got[worst]} instead of ${want[worst]}`;
  if (dtype !== 'f32') return element === 0 ? null : at;
  // A few sums that happen to cancel have no meaningful relative error: below four elements the element bound alone decides.
  if ((want.length < 4 || relativeL2 <= tolerance.relativeL2) && element <= tolerance.element) return null;
  return (
    `relative L2 ${relativeL2.toExponential(2)} (at most ${tolerance.relativeL2}), ` +
    `element ${element.toExponential(2)} (at most ${tolerance.element}): ${at}`
  );
}
