/**
 * Tier: any adapter. Kernels without Dawn's bounds checks (the toggle disable_robustness), as GPUs may run them: those with workgroup memory and
 * ragged ends, in the plans for GPUs, against the float64 references. One case of each kind; all with
 * `GMTL_DAWN_TOGGLES=disable_robustness npx vitest run kernels-test`. lavapipe bounds storage buffers itself: reads past their ends would show on
 * hardware alone.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkVersion } from '../src/engine/check/checkVersion.ts';
import { snapshots } from '../src/engine/check/snapshot.ts';
import { testCases } from '../src/engine/check/testCases.ts';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import { sleepingWait } from '../src/engine/node/sleepingWait.ts';
import { ops } from '../src/engine/ops/index.ts';

let device: GpuDevice;
beforeAll(async () => {
  const { adapter, release } = await openAdapter('auto', { dawnFeatures: ['disable_robustness'] });
  device = await GpuDevice.open(adapter, { deviceClass: 'gpu', wait: sleepingWait, onDestroy: release });
});
afterAll(() => device.destroy());

/** Op and part of the names of its cases: tiles cut off at their ends, rows and columns that fill no workgroup. */
const CASES: readonly (readonly [op: string, name: string])[] = [
  ['matmul', 'a transposed, rows in fours, odd inner'],
  ['matmul', '27 inner elements'],
  ['matmul', 'past whole tiles'],
  ['depthwiseConv2d', '7x7, 12 channels'],
  ['conv2d', '3x3, 8 to 36 channels, relu'],
  ['conv2d', 'stride 2, 3x3, 16 to 20 channels'],
  ['convTranspose2d', '2x2 stride 2, 8 to 5 channels'],
  ['layerNorm', ''],
  ['batchNorm', ''],
  ['crossEntropy', ''],
  ['maxPool2d', ''],
];

it.each(CASES)('%s %s', async (name, part) => {
  const op = ops.find((each) => each.name === name)!;
  const testCase = testCases(op).find((each) => each.name.includes(part) && !each.name.includes('f16'))!;
  const problems: string[] = [];
  for (const snapshot of snapshots(op, testCase)) {
    problems.push(...(await checkVersion(device, snapshot, testCase, undefined)));
  }
  expect(problems).toEqual([]);
});
