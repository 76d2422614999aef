/** Tier: any adapter. Ops whose input has another use: their input-gradient kernels add the gradient of that use. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import type { Tensor } from '../src/engine/autograd/tensor.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import type { Backend } from '../src/engine/ops/backend.ts';
import type { ConvolutionAttributes } from '../src/engine/ops/conv2d/attributes.ts';
import { conv2d } from '../src/engine/ops/conv2d/op.ts';
import { usableLanes } from '../src/engine/ops/conv2d/gatherProduct.ts';
import { gatherVersions } from '../src/engine/ops/conv2d/plan.ts';
import { depthwiseConv2d } from '../src/engine/ops/depthwiseConv2d/op.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { maxPool2d } from '../src/engine/ops/pool/op.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { TapBackend } from '../src/engine/ops/tapBackend.ts';
import { type Shape, sizeOf } from '../src/engine/tensor/spec.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

closeDeviceAfterwards();
let device: GpuDevice;
beforeEach(async () => {
  device = await testDevice();
});

const wave = (shape: Shape, rate: number) => Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(rate * i));

/** The gradient of x in sum(g * f(2 x)) + sum(2 x), and the programs that backward ran. */
async function gradient(
  inner: Backend,
  shape: Shape,
  body: (x: Tensor, engine: Engine) => Tensor,
): Promise<{ values: number[]; programs: string[] }> {
  const programs: string[] = [];
  const engine = new Engine(new TapBackend(inner, { before: ({ program }) => programs.push(program.name) }));
  const x = engine.tensor(wave(shape, 0.7), shape, { requiresGrad: true });
  const doubled = x.mul(2);
  const y = body(doubled, engine);
  const loss = y
    .mul(engine.tensor(wave(y.shape, 0.3), y.shape))
    .sum()
    .add(doubled.sum());
  programs.length = 0;
  engine.backward(loss);
  return { values: [...(await engine.backend.download(x.grad!.value))], programs };
}

async function expectAdded(backend: Backend, shape: Shape, body: (x: Tensor, engine: Engine) => Tensor): Promise<void> {
  const want = await gradient(new ReferenceBackend(), shape, body);
  const got = await gradient(backend, shape, body);
  expect(got.programs).not.toContain('accumulate');
  expect(got.programs).not.toContain('add');
  const worst = Math.max(...got.values.map((value, i) => Math.abs(value - want.values[i])));
  expect(worst).toBeLessThan(1e-4);
}

describe('what another use gave is added by the input gradient of', () => {
  for (const channels of [8, 5]) {
    it(`a depthwise convolution, ${channels} channels`, async () => {
      await expectAdded(new GpuBackend(device), [2, 5, 9, channels], (x, engine) =>
        engine.apply(depthwiseConv2d, [x, engine.tensor(wave([7, 7, channels], 1.3), [7, 7, channels])], {
          padding: [3, 3],
        }),
      );
    });
  }

  for (const channels of [8, 5]) {
    it(`a maximum over windows, ${channels} channels`, async () => {
      await expectAdded(new GpuBackend(device), [2, 6, 9, channels], (x, engine) =>
        engine.apply(maxPool2d, [x], { kernel: 3, stride: 2, padding: 1 }),
      );
    });
  }

  const convolution = (backend: GpuBackend, shape: Shape, weight: Shape, attributes: ConvolutionAttributes) =>
    expectAdded(backend, shape, (x, engine) =>
      engine.apply(conv2d, [x, engine.tensor(wave(weight, 1.3), weight)], attributes),
    );

  for (const version of gatherVersions.filter((name) => name !== 'subgroupMatrix')) {
    it(`a convolution, ${version}`, async (context) => {
      context.skip(version === 'lanes' && usableLanes(device.target) === 0, 'no subgroups of 4 or 8 lanes');
      const backend = new GpuBackend(device, { versions: new Map([['conv2d.gradInput', version]]) });
      await convolution(backend, [2, 5, 9, 8], [3, 3, 8, 12], { padding: [1, 1] });
    });
  }

  it('a convolution of channels that are not in fours, whose input pixels are taken in phases', async () => {
    await convolution(new GpuBackend(device), [1, 7, 6, 5], [3, 3, 5, 6], { padding: [1, 1], stride: [2, 2] });
  });

  it('a convolution of patches, which is folded', async () => {
    await convolution(new GpuBackend(device), [1, 6, 8, 3], [2, 2, 3, 4], { stride: [2, 2] });
  });
});
