/** Tells whether a backend computes a few ops as their float64 references do, forward and backward. */
import { GmtlError } from '../errors.ts';
import type { Backend } from '../ops/backend.ts';
import type { Case, Op } from '../ops/definition.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { sizeOf } from '../tensor/spec.ts';
import { difference } from './difference.ts';
import { runCase } from './runCase.ts';

/** One op's outcome: relative L2 errors against float64, or the error that stopped it. */
export interface SelfTestResult {
  readonly op: string;
  readonly testCase: string;
  /** ||got - want|| / ||want|| of the output; null when it could not be computed. */
  readonly forwardError: number | null;
  /** The largest such error over the input gradients; null when there are none. */
  readonly backwardError: number | null;
  readonly milliseconds: number;
  readonly passed: boolean;
  readonly failure: string | null;
}

/** Rounding alone stays far below this, a kernel that is miscompiled far above; the test suite holds kernels to tighter bounds. */
export const SELF_TEST_BOUND = 1e-4;

/** The largest case with a gradient to check: larger than a tile where possible, yet quick in float64. */
function selfTestCase(op: Op): Case | undefined {
  const size = ({ inputs }: Case) => inputs.reduce((total, { shape }) => total + sizeOf(shape), 0);
  return op.cases
    .filter(({ purpose }) => purpose.includes('test'))
    .reduce<Case | undefined>((best, next) => (best && size(best) >= size(next) ? best : next), undefined);
}

interface Outcome {
  readonly output: ArrayLike<number>;
  readonly gradients: readonly ArrayLike<number>[];
}

async function run(op: Op, testCase: Case, backend: Backend): Promise<Outcome> {
  const { inputs, output } = runCase(op, testCase, backend);
  if (!output) throw new Error(`${op.name} has no output to test`);
  const gradients: ArrayLike<number>[] = [];
  for (const { grad } of inputs) if (grad) gradients.push(await backend.download(grad.value));
  const result = { output: await backend.download(output.value), gradients };
  for (const tensor of [...inputs, output]) tensor.dispose();
  return result;
}

/** Runs one test case of each op forward and backward on `backend` and on the float64 references, and compares. */
export async function selfTest(backend: Backend, ops: readonly Op[]): Promise<SelfTestResult[]> {
  const results: SelfTestResult[] = [];
  for (const op of ops) {
    const testCase = selfTestCase(op);
    if (!testCase) continue;
    const start = performance.now();
    const base = { op: op.name, testCase: testCase.name };
    try {
      const got = await run(op, testCase, backend);
      const milliseconds = performance.now() - start;
      const want = await run(op, testCase, new ReferenceBackend());
      const forwardError = difference(got.output, want.output).relativeL2;
      const errors = want.gradients.map((gradient, index) => difference(got.gradients[index], gradient).relativeL2);
      const backwardError = errors.length > 0 ? Math.max(...errors) : null;
      const passed = forwardError <= SELF_TEST_BOUND && (backwardError ?? 0) <= SELF_TEST_BOUND;
      results.push({ ...base, forwardError, backwardError, milliseconds, passed, failure: null });
    } catch (error) {
      if (!(error instanceof GmtlError)) throw error;
      const milliseconds = performance.now() - start;
      const failed = { forwardError: null, backwardError: null, milliseconds, passed: false, failure: error.message };
      results.push({ ...base, ...failed });
    }
  }
  return results;
}
