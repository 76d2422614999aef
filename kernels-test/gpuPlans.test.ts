/**
 * Tier: any adapter. The plans that programs make for GPUs, run on the adapter at hand: other versions, more workgroups, sums shared by
 * workgroups. kernels.test.ts runs what the adapter's own class would choose; here every default plan for a GPU that differs from that
 * one is held against the same float64 reference.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { checkVersion } from '../src/engine/check/checkVersion.ts';
import { snapshots } from '../src/engine/check/snapshot.ts';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import type { Plan, PlanTarget } from '../src/engine/gpu/kernel.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import { sleepingWait } from '../src/engine/node/sleepingWait.ts';
import type { Case, Op } from '../src/engine/ops/definition.ts';
import { ops } from '../src/engine/ops/index.ts';
import { type ProgramCall, storesHalf } from '../src/engine/ops/invocations.ts';
import { callsOf, fewestCases, kernelsReached, testCases } from '../src/engine/check/testCases.ts';
import { LONG_TESTS } from './long.ts';

const opened = await openAdapter();
const device = await GpuDevice.open(opened.adapter, {
  deviceClass: 'gpu',
  wait: sleepingWait,
  onDestroy: () => opened.release(),
});
const software: PlanTarget = { ...device.target, deviceClass: 'software' };
afterAll(() => device.destroy());

function planOf({ program, inputs, outputs, attributes }: ProgramCall, target: PlanTarget): Plan | null {
  return program.plan(inputs, outputs, attributes, target);
}

/** Whether a call is planned otherwise for GPUs. */
const differs = (call: ProgramCall): boolean =>
  JSON.stringify(planOf(call, device.target)) !== JSON.stringify(planOf(call, software));

/** A call's program and the kernels of its plan for GPUs. */
const planned = (call: ProgramCall): string => kernelsReached(device.target, call);

/** The smallest cases that together run every set of kernels; all with GMTL_LONG_TESTS. */
function casesOf(op: Op): Case[] {
  const reached = (testCase: Case): string[] => callsOf(op, testCase).filter(differs).map(planned);
  return LONG_TESTS ? testCases(op) : fewestCases(testCases(op), reached);
}

const checked = new Set<string>();

for (const op of ops) {
  const cases = casesOf(op);
  // Of some ops every plan is the same on all devices.
  if (cases.length === 0) continue;
  describe(op.name, () => {
    for (const testCase of cases) {
      it(testCase.name, async ({ skip }) => {
        const taken = snapshots(op, testCase);
        if (taken.some(storesHalf) && !device.target.features.has('shader-f16'))
          skip(`${device.name} has no shader-f16`);
        const problems: string[] = [];
        for (const snapshot of taken.filter(differs)) {
          const kernels = planned(snapshot);
          if (checked.has(kernels) && !LONG_TESTS) continue;
          checked.add(kernels);
          problems.push(...(await checkVersion(device, snapshot, testCase, undefined)));
        }
        expect(problems).toEqual([]);
      });
    }
  });
}

it('finds plans that differ', () => expect(checked.size).toBeGreaterThan(100));
