/** Tier: any adapter. Float16 tensors, on the float64 references and on the adapter that GMTL_ADAPTER names (else the best there is). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GpuDevice } from '../gpu/device.ts';
import { createNodeDevice } from '../node/createDevice.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { Engine } from './engine.ts';

let device: GpuDevice;
beforeAll(async () => {
  ({ device } = await createNodeDevice());
});
afterAll(() => device.destroy());

for (const where of ['float64 references', 'adapter'] as const) {
  describe(`float16 on the ${where}`, () => {
    let engine: Engine;
    beforeEach(({ skip }) => {
      if (where === 'adapter' && !device.target.features.has('shader-f16')) skip(`${device.name} has no shader-f16`);
      engine = new Engine(where === 'adapter' ? new GpuBackend(device) : new ReferenceBackend());
    });

    it('goes up rounded to the nearest and comes back as float32, odd counts too', async () => {
      const numbers = [0.1, -2049, 65_504, 6e-8, 1e-9, 65_519, 1 + 2 ** -11];
      const tensor = engine.tensor(numbers, [7], { dtype: 'f16' });
      expect(await tensor.data()).toEqual(Float32Array.of(0.0999755859375, -2048, 65_504, 2 ** -24, 0, 65_504, 1));
      tensor.write(Float32Array.of(1, 2, 3, 4, 5, 6, 1e6));
      expect([...(await tensor.data())]).toEqual([1, 2, 3, 4, 5, 6, Number.POSITIVE_INFINITY]);
    });

    it('gives float32 gradients to a float32 weight that is used as float16', async () => {
      const weight = engine.tensor([0.5, -1.5, 3], [3], { requiresGrad: true });
      const x = engine.tensor([2, 4, 8], [3], { dtype: 'f16', requiresGrad: true });
      weight.cast('f16').mul(x).cast('f32').sum().backward();
      expect(weight.grad?.dtype).toBe('f32');
      expect(x.grad?.dtype).toBe('f16');
      expect([...((await weight.grad?.data()) ?? [])]).toEqual([2, 4, 8]);
      expect([...((await x.grad?.data()) ?? [])]).toEqual([0.5, -1.5, 3]);
    });

    it('adds gradients of both types, whoever comes first', async () => {
      for (const swapped of [false, true]) {
        const leaf = engine.tensor([1, 2, 3], [3], { dtype: 'f16', requiresGrad: true });
        const x = leaf.mul(2);
        // The sum of float16 hands a float16 gradient on, the cast one in the type of its input.
        const paths = [() => x.cast('f32').mul(3).sum(), () => x.square().sum()];
        const [first, second] = swapped ? [paths[1](), paths[0]()] : [paths[0](), paths[1]()];
        first.add(second).backward();
        expect(leaf.grad?.dtype).toBe('f16');
        expect([...((await leaf.grad?.data()) ?? [])]).toEqual([2 * (3 + 4), 2 * (3 + 8), 2 * (3 + 12)]);
      }
    });

    it('sums and means are float32: a sum of float16 may leave its range', async () => {
      const x = engine.tensor(new Float32Array(4096).fill(100), [4096], { dtype: 'f16' });
      expect(x.sum().dtype).toBe('f32');
      expect(await x.sum().item()).toBe(409_600);
      expect(await x.mean().item()).toBe(100);
    });

    it('mixes with float32 as PyTorch promotes; products refuse to mix', async () => {
      const half = engine.tensor([1], [1, 1], { dtype: 'f16' });
      const single = engine.tensor([2], [1, 1]);
      expect(half.add(single).dtype).toBe('f32');
      expect(await half.add(single).item()).toBe(3);
      expect(() => half.matmul(single)).toThrow(/matmul: a is f16, b is f32; cast them to one type/);
    });
  });
}

it('an adapter without shader-f16 says so; one with it takes half the memory', () => {
  const engine = new Engine(new GpuBackend(device));
  const x = engine.tensor(new Float32Array(4096), [4096]);
  if (device.target.features.has('shader-f16')) {
    const before = device.statistics().liveBytes;
    const half = x.cast('f16');
    expect(device.statistics().liveBytes - before).toBe(8192);
    half.dispose();
  } else {
    expect(() => x.cast('f16')).toThrow(/movement\/floatCast .*has no shader-f16; compute in f32/);
  }
  x.dispose();
});
