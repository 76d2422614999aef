/** Measures how far numbers are from what they should be: the one comparison behind every check against a reference. */
import type { Tolerance } from '../ops/definition.ts';
import { roundToFloat16 } from '../tensor/float16.ts';
import type { DType } from '../tensor/spec.ts';

/** The distance between an array and the one it should equal. */
export interface Difference {
  /** ||got - want|| / ||want||; infinite where anything is NaN or the lengths differ. */
  readonly relativeL2: number;
  /** The largest |got - want| / max(1, max |want|). */
  readonly element: number;
  /** Index of the element that is farthest off. */
  readonly worst: number;
}

/**
 * Measures how far `got` is from `want`. NaN equals nothing; equal infinities are equal (float16 overflows early) and do not count
 * towards the norm.
 */
export function difference(got: ArrayLike<number>, want: ArrayLike<number>): Difference {
  if (got.length !== want.length)
    return { relativeL2: Number.POSITIVE_INFINITY, element: Number.POSITIVE_INFINITY, worst: 0 };
  let squares = 0;
  let norm = 0;
  let largest = 1;
  let worstAbsolute = 0;
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const error = got[i] === want[i] ? 0 : Math.abs(got[i] - want[i]);
    squares += error * error;
    if (Number.isFinite(want[i])) {
      norm += want[i] * want[i];
      largest = Math.max(largest, Math.abs(want[i]));
    }
    if (!(error <= worstAbsolute)) {
      worstAbsolute = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
      worst = i;
    }
  }
  // Where the truth is (nearly) zero everywhere, a relative norm says nothing: errors are then measured relative to 1e-6 per element.
  const scale = Math.max(Math.sqrt(norm), 1e-6 * Math.sqrt(want.length));
  const relativeL2 = Math.sqrt(squares) / scale;
  return {
    relativeL2: Number.isNaN(relativeL2) ? Number.POSITIVE_INFINITY : relativeL2,
    element: worstAbsolute / largest,
    worst,
  };
}

/** A reference's numbers as float16 stores them; unchanged for other types, so that their rounding counts as an error. */
export function asStored(numbers: Float64Array, dtype: DType): Float64Array {
  return dtype === 'f16' ? numbers.map(roundToFloat16) : numbers;
}

/**
 * WGSL lets a conversion to float16 round to either neighbor (one unit in the last place of 11 bits) and flush what lies below the
 * normal numbers.
 */
const HALF_UNIT = 2 ** -10;
const HALF_SMALLEST = 2 ** -14;

/**
 * `got` without what float16 storage may have taken from or added to `want`: the rest is what the kernel's own tolerance is for. Numbers that
 * are not finite stay, unless the wanted number cannot be stored either.
 */
function withoutHalfRounding(got: ArrayLike<number>, want: ArrayLike<number>): Float64Array {
  return Float64Array.from(got, (value, i) => {
    const wanted = want[i];
    if (Math.abs(wanted) > 65_504 && value === Math.sign(wanted) * Number.POSITIVE_INFINITY) return wanted;
    const error = value - wanted;
    const excess = Math.abs(error) - Math.max(HALF_UNIT * Math.abs(wanted), HALF_SMALLEST);
    return excess <= 0 ? wanted : wanted + Math.sign(error) * excess;
  });
}

/** Null where `got` is within tolerance of `want`, else a sentence. Integers must be equal. */
export function mismatch(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  dtype: DType,
  tolerance: Tolerance,
): string | null {
  if (got.length !== want.length) return `${got.length} elements instead of ${want.length}`;
  if (dtype === 'f16') return mismatch(withoutHalfRounding(got, want), want, 'f32', tolerance);
  const { relativeL2, element, worst } = difference(got, want);
  const at = `element ${worst} is ${got[worst]} instead of ${want[worst]}`;
  if (dtype !== 'f32') return element === 0 ? null : at;
  // A few sums that happen to cancel have no meaningful relative error: below four elements only the element bound applies.
  if ((want.length < 4 || relativeL2 <= tolerance.relativeL2) && element <= tolerance.element) return null;
  return (
    `relative L2 ${relativeL2.toExponential(2)} (at most ${tolerance.relativeL2}), ` +
    `element ${element.toExponential(2)} (at most ${tolerance.element}): ${at}`
  );
}
