/**
 * Tier: any adapter. The plans that programs make for GPUs, run on the adapter at hand: other versions, more workgroups, sums shared by
 * workgroups. kernels.test.ts runs what the adapter's own class would choose; here every default plan for a GPU that differs from that
 * one is held against the same float64 reference.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkVersion } from '../src/engine/check/checkVersion.ts';
import { type Snapshot, snapshots } from '../src/engine/check/snapshot.ts';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import type { PlanTarget } from '../src/engine/gpu/kernel.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import { sleepingWait } from '../src/engine/node/sleepingWait.ts';
import { ops } from '../src/engine/ops/index.ts';
import { storesHalf } from '../src/engine/ops/invocations.ts';
import { testCases } from '../src/engine/check/testCases.ts';
import { LONG_TESTS } from './long.ts';

let device: GpuDevice;
let software: PlanTarget;
beforeAll(async () => {
  const opened = await openAdapter();
  device = await GpuDevice.open(opened.adapter, {
    deviceClass: 'gpu',
    wait: sleepingWait,
    onDestroy: () => opened.release(),
  });
  software = { ...device.target, deviceClass: 'software' };
});
afterAll(() => device.destroy());

/** Whether a call is planned otherwise for GPUs. */
function differs({ program, inputs, outputs, attributes }: Snapshot): boolean {
  const text = (target: PlanTarget): string => JSON.stringify(program.plan(inputs, outputs, attributes, target));
  return text(device.target) !== text(software);
}

let checked = 0;

for (const op of ops) {
  describe(op.name, () => {
    // One case in two, since cases share kernels; all with GMTL_LONG_TESTS.
    for (const testCase of testCases(op).filter((_, index) => LONG_TESTS || index % 2 === 0)) {
      it(testCase.name, async ({ skip }) => {
        const taken = snapshots(op, testCase);
        if (taken.some(storesHalf) && !device.target.features.has('shader-f16'))
          skip(`${device.name} has no shader-f16`);
        const problems: string[] = [];
        for (const snapshot of taken.filter(differs)) {
          checked++;
          problems.push(...(await checkVersion(device, snapshot, testCase, undefined)));
        }
        expect(problems).toEqual([]);
      });
    }
  });
}

it('finds plans that differ', () => expect(checked).toBeGreaterThan(LONG_TESTS ? 100 : 50));
