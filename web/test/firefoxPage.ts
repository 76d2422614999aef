/** What firefox.test.ts runs in a page: kernels against their references, and a training step. */
import { checkCase } from '../../src/engine/check/checkCase.ts';
import { checkVersion } from '../../src/engine/check/checkVersion.ts';
import { snapshots } from '../../src/engine/check/snapshot.ts';
import { callsOf, fewestCases, kernelsReached, testCases, versionsReached } from '../../src/engine/check/testCases.ts';
import { createBrowserDevice } from '../../src/engine/gpu/browserDevice.ts';
import type { GpuDevice } from '../../src/engine/gpu/device.ts';
import type { PlanTarget } from '../../src/engine/gpu/kernel.ts';
import type { Case, Op } from '../../src/engine/ops/definition.ts';
import { storesHalf } from '../../src/engine/ops/invocations.ts';
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

/** The cases that reach every version of an op on the adapter at hand, then what is planned where it is taken for a GPU's, and how each is checked. */
function* checksOf(device: GpuDevice, op: Op): Generator<[Case, () => Promise<readonly string[]>]> {
  const { target } = device;
  const gpu: PlanTarget = { ...target, deviceClass: 'gpu' };
  for (const testCase of fewestCases(testCases(op), (one) => versionsReached(target, op, one))) {
    yield [testCase, async () => (await checkCase(device, op, testCase)).problems];
  }
  const reached = (one: Case): string[] => callsOf(op, one).map((call) => kernelsReached(gpu, call, undefined));
  for (const testCase of fewestCases(testCases(op), reached)) {
    yield [
      testCase,
      async () => {
        const taken = snapshots(op, testCase);
        if (taken.some(storesHalf) && !target.features.has('shader-f16')) return [];
        Object.assign(device, { target: gpu });
        const problems: string[] = [];
        for (const snapshot of taken) {
          problems.push(...(await checkVersion(device, snapshot, testCase, undefined)));
        }
        return problems.map((problem) => `as planned for GPUs: ${problem}`);
      },
    ];
  }
  Object.assign(device, { target });
}

/** Checks the ops named (all where none is), then runs the step. */
export async function report(named: readonly string[]): Promise<FirefoxReport> {
  const problems: string[] = [];
  let cases = 0;
  try {
    const { device } = await createBrowserDevice();
    for (const op of ops.filter(({ name }) => named.length === 0 || named.includes(name))) {
      for (const [testCase, check] of checksOf(device, op)) {
        cases++;
        const found = await check().catch((error) => [String(error)]);
        problems.push(...found.map((problem) => `${op.name} / ${testCase.name}: ${problem}`));
      }
    }
    const numbers = await stepNumbers(device);
    return { failure: null, cases, problems, numbers };
  } catch (error) {
    const { code = '', message } = error as { readonly code?: string; readonly message: string };
    return { failure: { code, message }, cases, problems, numbers: null };
  }
}
