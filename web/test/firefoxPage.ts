/** What firefox.test.ts runs in a page: kernels against their references, and a training step. */
import { checkCase } from '../../src/engine/check/checkCase.ts';
import { fewestCases, testCases, versionsReached } from '../../src/engine/check/testCases.ts';
import { createBrowserDevice } from '../../src/engine/gpu/browserDevice.ts';
import { ops } from '../../src/engine/ops/index.ts';
import { type StepNumbers, stepNumbers } from './stepNumbers.ts';

export interface FirefoxReport {
  /** Why nothing ran; null where it did. */
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly cases: number;
  /** "op / case: what is wrong". */
  readonly problems: readonly string[];
  readonly numbers: StepNumbers | null;
}

/** Runs the cases that reach every version of the ops named (of all where none is), then the step. */
export async function report(named: readonly string[]): Promise<FirefoxReport> {
  const problems: string[] = [];
  let cases = 0;
  try {
    const { device } = await createBrowserDevice();
    for (const op of ops.filter(({ name }) => named.length === 0 || named.includes(name))) {
      const reached = fewestCases(testCases(op), (testCase) => versionsReached(device.target, op, testCase));
      for (const testCase of reached) {
        cases++;
        const checked = await checkCase(device, op, testCase).catch((error) => ({ problems: [String(error)] }));
        problems.push(...checked.problems.map((problem) => `${op.name} / ${testCase.name}: ${problem}`));
      }
    }
    const numbers = await stepNumbers(device);
    return { failure: null, cases, problems, numbers };
  } catch (error) {
    const { code = '', message } = error as { readonly code?: string; readonly message: string };
    return { failure: { code, message }, cases, problems, numbers: null };
  }
}
