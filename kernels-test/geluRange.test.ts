/**
 * Tier: adapters with shader-f16. What goes into gelu is kept in float16 and may lie below its range: gelu and its slope are 0 there, as in float32,
 * not NaN.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import type { DeviceClass } from '../src/engine/gpu/kernel.ts';
import * as F from '../src/engine/nn/functional.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import { sleepingWait } from '../src/engine/node/sleepingWait.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { fillInput } from '../src/engine/ops/caseInputs.ts';

const [CHANNELS, HIDDEN] = [4, 8];

describe.each(['software', 'gpu'] as const satisfies DeviceClass[])('in plans for class %s', (deviceClass) => {
  let device: GpuDevice;
  let engine: Engine;
  beforeAll(async () => {
    const { adapter, release } = await openAdapter();
    device = await GpuDevice.open(adapter, { deviceClass, wait: sleepingWait, onDestroy: release });
    engine = new Engine(new GpuBackend(device));
  });
  afterAll(() => device.destroy());

  const filled = (shape: readonly number[]) =>
    engine.tensor(fillInput({ shape }, String(shape)), shape, { requiresGrad: true });
  const half = (shape: readonly number[]) =>
    engine.tensor(fillInput({ shape }, String(shape)), shape, { dtype: 'f16', requiresGrad: true });
  const low = () => engine.tensor(new Float32Array(HIDDEN).fill(-70_000), [HIDDEN], { requiresGrad: true });

  it('the second half of a block', async ({ skip }) => {
    if (!device.target.features.has('shader-f16')) skip(`${device.name} has no shader-f16`);
    const [residual, x] = [half([1, 6, CHANNELS]), half([1, 6, CHANNELS])];
    const first = { weight: filled([HIDDEN, CHANNELS]), bias: low() };
    const second = { weight: filled([CHANNELS, HIDDEN]), bias: filled([CHANNELS]) };
    const out = F.residualMlp(residual, x, [first, second], filled([CHANNELS]));
    expect(Array.from(await out.data(), Number).every(Number.isFinite)).toBe(true);
    out.cast('f32').sum().backward();
    for (const { grad } of [x, first.weight, first.bias, second.weight]) {
      expect(Array.from(await grad!.data(), Math.abs).every((value) => value < 1e-30)).toBe(true);
    }
  });

  it('a linear layer', async ({ skip }) => {
    if (!device.target.features.has('shader-f16')) skip(`${device.name} has no shader-f16`);
    const x = half([6, CHANNELS]);
    const weight = engine.tensor(fillInput({ shape: [HIDDEN, CHANNELS] }, 'w'), [HIDDEN, CHANNELS], { dtype: 'f16' });
    const out = F.linear(x, weight, low(), 'gelu');
    out.cast('f32').sum().backward();
    expect(Array.from(await x.grad!.data(), Math.abs).every((value) => value < 1e-30)).toBe(true);
  });
});
