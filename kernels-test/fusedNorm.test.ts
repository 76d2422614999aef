/**
 * Tier: any adapter. BatchNorm, residual and relu in one op give the bits that the three ops give one after another, gradients too. (A
 * float16 residual is left out: the sum is rounded once instead of twice.)
 */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../src/engine/autograd/tensor.ts';
import type { DeviceClass } from '../src/engine/gpu/kernel.ts';
import * as F from '../src/engine/nn/functional.ts';
import { fillInput } from '../src/engine/ops/caseInputs.ts';
import { usePlansFor } from './device.ts';

const SHAPE = [2, 9, 7, 8];

describe.each(['software', 'gpu'] as const satisfies DeviceClass[])('in plans for class %s', (deviceClass) => {
  const used = usePlansFor(deviceClass);

  /** The bits of result, gradients and statistics of relu(batchNorm(x) + residual) in training, fused or in three ops. */
  async function run(fused: boolean, dtype: 'f32' | 'f16', added: boolean): Promise<Record<string, Uint8Array>> {
    const filled = (name: string, shape: readonly number[], type: 'f32' | 'f16' = 'f32'): Tensor =>
      used.engine.tensor(fillInput({ shape }, name), shape, { dtype: type, requiresGrad: true });
    const x = filled('x', SHAPE, dtype);
    const residual = added ? filled('residual', SHAPE, dtype) : null;
    const [weight, bias] = [filled('weight', [8]), filled('bias', [8])];
    const running = {
      mean: used.engine.tensor(new Float32Array(8)),
      variance: used.engine.tensor(new Float32Array(8).fill(1)),
      batches: used.engine.tensor([3], []),
    };
    let y: Tensor;
    if (fused) y = F.batchNorm(x, weight, bias, running, { training: true, activation: 'relu' }, residual);
    else {
      const normalized = F.batchNorm(x, weight, bias, running, { training: true });
      y = (residual ? normalized.add(residual) : normalized).relu();
    }
    y.mul(filled('weights of the loss', SHAPE, dtype))
      .cast('f32')
      .sum()
      .backward();
    const results = { y, ...running, x: x.grad, weight: weight.grad, bias: bias.grad, residual: residual?.grad };
    const bits: Record<string, Uint8Array> = {};
    for (const [name, tensor] of Object.entries(results)) {
      if (tensor) bits[name] = new Uint8Array(Float64Array.from(await tensor.data()).buffer);
    }
    return bits;
  }

  for (const dtype of ['f32', 'f16'] as const)
    for (const added of dtype === 'f32' ? [false, true] : [false])
      it(`${dtype}${added ? ', with a residual' : ''}`, async ({ skip }) => {
        if (dtype === 'f16' && !used.device.target.features.has('shader-f16'))
          skip(`${used.device.name} has no shader-f16`);
        const fused = await run(true, dtype, added);
        expect(Object.keys(fused)).toHaveLength(added ? 8 : 7);
        const composed = await run(false, dtype, added);
        const differ = Object.keys(fused).filter((name) => !Buffer.from(fused[name]).equals(composed[name]));
        expect(differ).toEqual([]);
      });
});
