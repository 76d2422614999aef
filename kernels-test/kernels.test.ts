/**
 * Tier: any adapter. Every program that any case of any op executes, forward and backward, in every version, against its float64
 * reference: outputs are filled with a NaN pattern beforehand (unwritten cells show), followed by guard words (overruns show),
 * and every run is done twice (bitwise equal). Ops that can store float16 do all of it once more in float16, where the adapter can:
 * inputs are rounded to it first, so that only the rounding of the outputs is allowed for (`mismatch`) beyond the case's tolerance.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { ops } from '../src/engine/ops/index.ts';
import { canRun, snapshots } from '../src/engine/check/snapshot.ts';
import { checkVersion } from '../src/engine/check/checkVersion.ts';
import { storesHalf } from '../src/engine/ops/invocations.ts';
import { testCases } from './testCases.ts';
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
        const problems: string[] = [];
        const taken = snapshots(op, testCase);
        if (taken.some(storesHalf) && !device.target.features.has('shader-f16'))
          skip(`${device.name} has no shader-f16`);
        for (const snapshot of taken) {
          const { program } = snapshot;
          for (const version of program.versions ?? [undefined]) {
            knownVersions.add(`${program.name} ${version}`);
            if (!canRun(device, snapshot, version)) continue;
            checkedVersions.add(`${program.name} ${version}`);
            problems.push(...(await checkVersion(device, snapshot, testCase, version)));
          }
        }
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
