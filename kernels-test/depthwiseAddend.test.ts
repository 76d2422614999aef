/** Tier: any adapter. A depthwise convolution whose input has another use: its input-gradient kernel adds the gradient of that use. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import type { Backend } from '../src/engine/ops/backend.ts';
import { depthwiseConv2d } from '../src/engine/ops/depthwiseConv2d/op.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { TapBackend } from '../src/engine/ops/tapBackend.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

closeDeviceAfterwards();
let device: GpuDevice;
beforeEach(async () => {
  device = await testDevice();
});

/** The gradient of x in sum(g * (dw(2 x) + 2 x)), and the programs that backward ran. */
async function gradient(inner: Backend, channels: number): Promise<{ values: number[]; programs: string[] }> {
  const programs: string[] = [];
  const engine = new Engine(new TapBackend(inner, { before: ({ program }) => programs.push(program.name) }));
  const shape = [2, 5, 9, channels];
  const size = 90 * channels;
  const wave = (count: number, rate: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(rate * i));
  const x = engine.tensor(wave(size, 0.7), shape, { requiresGrad: true });
  const weight = engine.tensor(wave(49 * channels, 1.3), [7, 7, channels]);
  const doubled = x.mul(2);
  const y = engine.apply(depthwiseConv2d, [doubled, weight], { padding: [3, 3] }).add(doubled);
  programs.length = 0;
  engine.backward(y, engine.tensor(wave(size, 0.3), shape));
  return { values: [...(await engine.backend.download(x.grad!.value))], programs };
}

describe('the input gradient of a depthwise convolution', () => {
  for (const channels of [8, 5]) {
    it(`is added to what is there, ${channels} channels`, async () => {
      const want = await gradient(new ReferenceBackend(), channels);
      const got = await gradient(new GpuBackend(device), channels);
      expect(got.programs).not.toContain('accumulate');
      expect(got.programs).not.toContain('add');
      const worst = Math.max(...got.values.map((value, i) => Math.abs(value - want.values[i])));
      expect(worst).toBeLessThan(1e-4);
    });
  }
});
