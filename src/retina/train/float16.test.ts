/** Tier: adapters with shader-f16. Training in float16 against training in float32, on networks that each fit in a test. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { difference } from '../../engine/check/difference.ts';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import type { GpuDevice } from '../../engine/gpu/device.ts';
import { GatedMultitaskNet } from '../network/multitask.ts';
import type { MultitaskNet, Precision } from '../network/network.ts';
import { RoutedUnet } from '../network/routedUnet.ts';
import { LOSS_DEFAULTS, TINY_NETWORK } from '../network/testsupport.ts';
import * as F from '../../engine/nn/functional.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { Generator } from '../../engine/tensor/random.ts';
import type { StepReport } from './stepReport.ts';
import { makeBatch, makeRig, NOISY, stateOf } from './testsupport.ts';
import { GradientSurgery } from './weighting/index.ts';

closeDeviceAfterwards();
let device: GpuDevice;
beforeEach(async ({ skip }) => {
  device = await testDevice();
  if (!device.target.features.has('shader-f16')) skip(`${device.name} has no shader-f16`);
});
afterEach(() => {
  setEngine(null);
});

const NETWORKS: Readonly<Record<string, () => MultitaskNet>> = {
  'ConvNeXt with gate and decoder': () =>
    new GatedMultitaskNet({ ...TINY_NETWORK, trunk: { depths: [1, 1, 2, 1], dims: [8, 12, 16, 20] } }),
  'ResNet U-Net': () =>
    new RoutedUnet({
      ...{ masks: 3, grades: 'both', ordinal: false, seed: 4 },
      encoder: { depths: [1, 1, 1, 1], widths: [8, 8, 12, 16] },
      channels: [16, 12, 8, 8, 8],
      ...{ routerDropout: 0, classifier: 'experts', expertDropout: 0 },
    }),
};

/** Outputs by name, and the gradients of all parameters one after the other, of a loss that asks for each output. */
async function outputsAndGradients(
  make: () => MultitaskNet,
  precision: Precision,
): Promise<{ readonly outputs: ReadonlyMap<string, ArrayLike<number>>; readonly gradients: Float64Array }> {
  const engine = new Engine(new GpuBackend(device), { seed: 8 });
  setEngine(engine);
  const net = make().train();
  net.precision = precision;
  const generator = new Generator(3);
  const pixels = Float32Array.from({ length: 2 * 64 * 64 * 3 }, () => generator.normal());
  const image = engine.tensor(pixels, [2, 64, 64, 3]);
  const output = engine.scope(() => {
    const all = net.forward(image, { segmentation: [0, 1], classification: [0, 1] });
    // As cross entropy with nothing but negatives, so that the gradients of an output's elements do not cancel.
    const losses = Object.values(all).flatMap((each) => (each ? [F.softplus(each).mean()] : []));
    // Scaled, or most of the gradients would be below the numbers of float16.
    losses.reduce((sum, loss) => sum.add(loss)).backward(engine.tensor([1024], []));
    return all;
  });
  const outputs = new Map<string, ArrayLike<number>>();
  for (const [name, tensor] of Object.entries(output)) {
    if (!tensor) continue;
    expect(tensor.dtype, name).toBe('f32');
    outputs.set(name, await tensor.data());
    tensor.dispose();
  }
  const gradients: number[] = [];
  for (const [name, { grad }] of net.namedParameters()) {
    if (!grad) throw new Error(`${name} got no gradient`);
    expect(grad.dtype, name).toBe('f32');
    gradients.push(...(await grad.data()));
  }
  image.dispose();
  net.dispose();
  return { outputs, gradients: Float64Array.from(gradients) };
}

/**
 * An activation is rounded by 2^-11 = 5e-4; some fifty roundings in a row, as if at random, make 3e-3 of an output. Gradients take the way twice,
 * and where relu is between, those of the elements whose sign rounding changed are all wrong: a share of 5e-4 in each of some ten layers, by its
 * root 7e-2.
 */
const BOUNDS: Readonly<Record<string, { readonly outputs: number; readonly gradients: number }>> = {
  'ConvNeXt with gate and decoder': { outputs: 6e-3, gradients: 1e-2 },
  'ResNet U-Net': { outputs: 1e-2, gradients: 7e-2 },
};

describe('float16 against float32', () => {
  it.each(Object.keys(NETWORKS))('%s: each output, and all gradients laid end to end', async (name) => {
    const full = await outputsAndGradients(NETWORKS[name], 'f32');
    const half = await outputsAndGradients(NETWORKS[name], 'f16');
    const bounds = BOUNDS[name];
    for (const [output, want] of full.outputs) {
      const { relativeL2 } = difference(half.outputs.get(output) ?? [], want);
      expect(relativeL2, output).toBeLessThan(bounds.outputs);
      // It was float16 indeed.
      expect(relativeL2, output).toBeGreaterThan(1e-5);
    }
    expect(half.gradients.length).toBe(full.gradients.length);
    expect(difference(half.gradients, full.gradients).relativeL2).toBeLessThan(bounds.gradients);
  });

  it('learns four images by heart as float32 does', async () => {
    const finals: number[] = [];
    for (const precision of ['f32', 'f16'] as const) {
      const rig = makeRig(device, {
        precision,
        // Small enough for all hundred steps: each that is suppressed would be one less to learn in.
        lossScale: 4096,
        network: { gateHidden: 16, retinopathyHidden: 16, edemaHidden: 16, decoderChannels: [8, 8, 8, 8] },
        objective: { ...LOSS_DEFAULTS, labelSmoothing: 0 },
      });
      const batch = makeBatch(2, 2);
      const reports: StepReport[] = [];
      for (let step = 0; step < 100; step++)
        reports.push(await rig.step.run(batch, step, 0.02 * (1 - step / 100) + 0.001));
      const totals = reports.map(({ losses }) => losses.total);
      expect(totals[99]).toBeLessThan(totals[0] / 50);
      finals.push(totals.slice(-5).reduce((sum, total) => sum + total) / 5);
      expect(reports.every(({ finite }) => finite)).toBe(true);
      rig.dispose();
    }
    // Measured: from 3 % below to 1 % above, over seeds whose losses lie between .0088 and .0149.
    expect(finals[1]).toBeLessThan(1.1 * finals[0]);
  });

  it.each([
    ['clipping, averages and a moving loss scale', {}],
    ['blocks checkpointed and conflicting gradients projected', { checkpoint: true }],
  ] as const)('is bitwise the same eager and replayed, with dropout, drop path, %s', async (_what, more) => {
    const results = [];
    for (const capture of [false, true]) {
      const rig = makeRig(device, {
        ...{ precision: 'f16', network: { ...NOISY, ...more }, maxNorm: 0.1, capture },
        ...('checkpoint' in more && { makeWeighting: () => new GradientSurgery() }),
      });
      const reports = [];
      for (let step = 0; step < 8; step++) {
        const batch = step % 3 === 2 ? makeBatch(1, 2, step) : makeBatch(2, 1, step);
        reports.push(await rig.step.run(batch, step, 0.01 / (step + 1)));
      }
      results.push({ state: await stateOf(rig), reports });
      rig.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[0].reports.at(-1)?.finite).toBe(true);
  });
});
