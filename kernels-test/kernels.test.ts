/**
 * Tier: any adapter. Every program that any case of any op executes, forward and backward, in every version, against its float64
 * reference: outputs are filled with a NaN pattern beforehand (unwritten cells show), followed by guard words (overruns show),
 * and every run is done twice (bitwise equal). Ops that can store float16 do all of it once more in float16, where the adapter can:
 * inputs are rounded to it first, so that only the rounding of the outputs is allowed for (`mismatch`) beyond the case's tolerance.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { ops } from '../src/engine/ops/index.ts';
import { checkCase } from '../src/engine/check/checkCase.ts';
import { testCases } from '../src/engine/check/testCases.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

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
  });
}

it('says which kernel versions this adapter cannot run (registry.test.ts holds that a case reaches each)', () => {
  const unreached = [...knownVersions].filter((version) => !checkedVersions.has(version));
  // Lists the versions that need what the adapter lacks (subgroups, hardware).
  if (unreached.length > 0) console.info(`not runnable on ${device.name}: ${unreached.join(', ')}`);
  expect(checkedVersions.size).toBeGreaterThan(0);
});
