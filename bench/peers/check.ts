/** Checks whether an engine's numbers are right. */
import { difference } from '../../src/engine/check/difference.ts';
import type { Tolerance } from '../../src/engine/ops/definition.ts';

export const KERNEL_TOLERANCE: Tolerance = {
  relativeL2: 1e-4,
  element: 1e-3,
  reason:
    "some hundred times float32's rounding in sums of these lengths: loose enough for any order of summation and any approximation of erf, far below what a wrong formula, border or gradient gives (1e-2 and more)",
};
export const STEP_TOLERANCE: Tolerance = {
  relativeL2: 1e-3,
  element: 5e-3,
  reason: 'the loss and the gradients of a network 60 layers deep',
};

export interface CheckResult {
  readonly ok: boolean;
  readonly relativeL2: number;
  readonly element: number;
  /** What is wrong, in one sentence; empty if nothing is. */
  readonly message: string;
}

/** Compares one result with its reference. NaN, infinities and a wrong count are wrong results. */
export function compare(
  name: string,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: Tolerance,
): CheckResult {
  const { relativeL2, element, worst } = difference(got, want);
  const ok = relativeL2 <= tolerance.relativeL2 && element <= tolerance.element;
  if (ok) return { ok, relativeL2, element, message: '' };
  const wrong =
    got.length === want.length
      ? `is off by ${relativeL2.toExponential(1)} of its norm (${got[worst]} at ${worst}, should be ${want[worst]})`
      : `has ${got.length} elements instead of ${want.length}`;
  return { ok, relativeL2, element, message: `${name} ${wrong}` };
}

/** Compares all results; each one in `want` must be present. Returns the worst errors, with the messages of the wrong results. */
export function compareAll(
  got: ReadonlyMap<string, ArrayLike<number>>,
  want: ReadonlyMap<string, ArrayLike<number>>,
  tolerance: Tolerance,
): CheckResult {
  if (want.size === 0) throw new Error('there is nothing to compare with');
  const results = [...want].map(([name, reference]) => {
    const data = got.get(name);
    return compare(name, data ?? [], reference, tolerance);
  });
  return {
    ok: results.every(({ ok }) => ok),
    relativeL2: Math.max(...results.map(({ relativeL2 }) => relativeL2)),
    element: Math.max(...results.map(({ element }) => element)),
    message: results.flatMap(({ message }) => (message === '' ? [] : [message])).join('; '),
  };
}
