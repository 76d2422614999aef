/**
 * Tier: adapters with shader-f16. What goes into gelu is kept in float16 and may lie below its range: gelu and its slope are 0 there, as in float32,
 * not NaN.
 */
import { describe, expect, it } from 'vitest';
import type { DeviceClass } from '../src/engine/gpu/kernel.ts';
import * as F from '../src/engine/nn/functional.ts';
import { fillInput } from '../src/engine/ops/caseInputs.ts';
import { usePlansFor } from './device.ts';

const [CHANNELS, HIDDEN] = [4, 8];

describe.each(['software', 'gpu'] as const satisfies DeviceClass[])('in plans for class %s', (deviceClass) => {
  const used = usePlansFor(deviceClass);

  const filled = (shape: readonly number[]) =>
    used.engine.tensor(fillInput({ shape }, String(shape)), shape, { requiresGrad: true });
  const half = (shape: readonly number[]) =>
    used.engine.tensor(fillInput({ shape }, String(shape)), shape, { dtype: 'f16', requiresGrad: true });
  const low = () => used.engine.tensor(new Float32Array(HIDDEN).fill(-70_000), [HIDDEN], { requiresGrad: true });

  it('the second half of a block', async ({ skip }) => {
    if (!used.device.target.features.has('shader-f16')) skip(`${used.device.name} has no shader-f16`);
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
    if (!used.device.target.features.has('shader-f16')) skip(`${used.device.name} has no shader-f16`);
    const x = half([6, CHANNELS]);
    const weight = used.engine.tensor(fillInput({ shape: [HIDDEN, CHANNELS] }, 'w'), [HIDDEN, CHANNELS], {
      dtype: 'f16',
    });
    const out = F.linear(x, weight, low(), 'gelu');
    out.cast('f32').sum().backward();
    expect(Array.from(await x.grad!.data(), Math.abs).every((value) => value < 1e-30)).toBe(true);
  });
});
