/**
 * Tier: any adapter. Every program that any case of any op executes, forward and backward, in every version, against its float64
 * reference: outputs are filled with a NaN pattern beforehand (unwritten cells show), followed by guard words (overruns show),
 * and every run is done twice (bitwise equal). Ops that can store float16 do all of it once more in float16, where the adapter can:
 * inputs are rounded to it first, so that only the rounding of the outputs is allowed for (`mismatch`) beyond the case's tolerance.
 * Then the op's plans for GPUs (gpuPlans.ts) and numbers that are not finite (nonFinite.ts), on the kernels that are compiled by then.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { ops } from '../src/engine/ops/index.ts';
import { checkCase } from '../src/engine/check/checkCase.ts';
import { testCases } from '../src/engine/check/testCases.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';
import { checkedPlans, gpuPlannedCases, gpuPlanProblems } from './gpuPlans.ts';
import { nonFiniteProblems } from './nonFinite.ts';

closeDeviceAfterwards();
let device: GpuDevice;
beforeEach(async () => {
  device = await testDevice();
});

const checkedVersions = new Set<string>();
const knownVersions = new Set<string>();

for (const op of ops) {
  describe(op.name, () => {
    for (const testCase of testCases(op)) {
      it(testCase.name, async ({ skip }) => {
        const { checked, lacking, problems, skipped } = await checkCase(device, op, testCase);
        if (skipped !== null) skip(skipped);
        for (const version of checked) checkedVersions.add(version);
        for (const version of [...checked, ...lacking]) knownVersions.add(version);
        expect(problems).toEqual([]);
      });
    }

    for (const testCase of gpuPlannedCases(op)) {
      it(`as planned for GPUs: ${testCase.name}`, async ({ skip }) => {
        const problems = await gpuPlanProblems(device, op, testCase);
        if (problems === null) skip(`${device.name} has no shader-f16`);
        expect(problems).toEqual([]);
      });
    }

    it('lets NaN and infinity travel through every version of every kernel as through its reference', async () => {
      expect(await nonFiniteProblems(device, op)).toEqual([]);
    });
  });
}

it('finds plans for GPUs that differ', () => expect(checkedPlans.size).toBeGreaterThan(100));

it('says which kernel versions this adapter cannot run (registry.test.ts holds that a case reaches each)', () => {
  const unreached = [...knownVersions].filter((version) => !checkedVersions.has(version));
  // Lists the versions that need what the adapter lacks (subgroups, hardware).
  if (unreached.length > 0) console.info(`not runnable on ${device.name}: ${unreached.join(', ')}`);
  expect(checkedVersions.size).toBeGreaterThan(0);
});
