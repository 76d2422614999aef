/** Checks whether an engine's numbers are right. */

/** Upper bounds on the error of a result: ||got - want|| / ||want||, and the largest |got - want| relative to the largest |want|. */
export interface CheckTolerance {
  readonly relativeL2: number;
  readonly largest: number;
}

/**
 * Some hundred times float32's rounding in sums of these lengths: loose enough for any order of summation and any approximation of
 * erf, far below what a wrong formula, border or gradient gives (1e-2 and more).
 */
export const KERNEL_TOLERANCE: CheckTolerance = { relativeL2: 1e-4, largest: 1e-3 };
/** For the loss and the gradients of a network 60 layers deep. */
export const STEP_TOLERANCE: CheckTolerance = { relativeL2: 1e-3, largest: 5e-3 };

export interface CheckResult {
  readonly ok: boolean;
  readonly relativeL2: number;
  readonly largest: number;
  /** What is wrong, in one sentence; empty if nothing is. */
  readonly message: string;
}

/** Compares one result with its reference. NaN, infinities and a wrong count are wrong results. */
export function compare(
  name: string,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: CheckTolerance,
): CheckResult {
  const wrong = (message: string, relativeL2 = Number.POSITIVE_INFINITY, largest = Number.POSITIVE_INFINITY) => ({
    ok: false,
    relativeL2,
    largest,
    message: `${name} ${message}`,
  });
  if (got.length !== want.length) return wrong(`has ${got.length} elements instead of ${want.length}`);
  let difference = 0;
  let norm = 0;
  let worst = 0;
  let worstAt = 0;
  let highest = 0;
  for (let i = 0; i < want.length; i++) {
    const error = got[i] - want[i];
    if (!Number.isFinite(error)) return wrong(`is ${got[i]} at ${i}, should be ${want[i]}`);
    difference += error * error;
    norm += want[i] * want[i];
    if (Math.abs(error) > worst) {
      worst = Math.abs(error);
      worstAt = i;
    }
    highest = Math.max(highest, Math.abs(want[i]));
  }
  const relativeL2 = difference === 0 ? 0 : Math.sqrt(difference / norm);
  const largest = worst === 0 ? 0 : worst / highest;
  if (relativeL2 <= tolerance.relativeL2 && largest <= tolerance.largest) {
    return { ok: true, relativeL2, largest, message: '' };
  }
  const where = `${got[worstAt]} at ${worstAt}, should be ${want[worstAt]}`;
  return wrong(`is off by ${relativeL2.toExponential(1)} of its norm (${where})`, relativeL2, largest);
}

/** Compares all results; each one in `want` must be present. Returns the worst errors, with the messages of the wrong results. */
export function compareAll(
  got: ReadonlyMap<string, ArrayLike<number>>,
  want: ReadonlyMap<string, ArrayLike<number>>,
  tolerance: CheckTolerance,
): CheckResult {
  if (want.size === 0) throw new Error('there is nothing to compare with');
  const results = [...want].map(([name, reference]) => {
    const data = got.get(name);
    return data ? compare(name, data, reference, tolerance) : compare(name, [], reference, tolerance);
  });
  return {
    ok: results.every(({ ok }) => ok),
    relativeL2: Math.max(...results.map(({ relativeL2 }) => relativeL2)),
    largest: Math.max(...results.map(({ largest }) => largest)),
    message: results.flatMap(({ message }) => (message === '' ? [] : [message])).join('; '),
  };
}
