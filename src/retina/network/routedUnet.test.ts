/** Tier: any adapter. The ResNet U-Net with router: names, shapes, its gradient on the adapter against the float64 references. */
import { afterEach, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import type { Backend } from '../../engine/ops/backend.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { objective } from '../train/objective.ts';
import { RouterWeighting } from '../train/weighting/index.ts';
import type { Routes } from './network.ts';
import { RoutedUnet, type RoutedUnetOptions } from './routedUnet.ts';
import { LOSS_DEFAULTS } from './testsupport.ts';

closeDeviceAfterwards();
afterEach(() => {
  setEngine(null);
});

const TINY: RoutedUnetOptions = {
  encoder: { depths: [1, 1, 1, 1], widths: [4, 6, 7, 8] },
  channels: [8, 6, 5, 4, 4],
  masks: 2,
  grades: 'both',
  ordinal: false,
  routerDropout: 0,
  classifier: 'experts',
  expertDropout: 0,
  seed: 3,
};

const ROUTES: Routes = { segmentation: [0, 2], classification: [1, 2] };

function make(backend: Backend, options: Partial<RoutedUnetOptions> = {}): { engine: Engine; model: RoutedUnet } {
  const engine = new Engine(backend, { seed: 5 });
  setEngine(engine);
  return { engine, model: new RoutedUnet({ ...TINY, ...options }) };
}

async function gradients(
  backend: Backend,
  options: Partial<RoutedUnetOptions>,
): Promise<Map<string, ArrayLike<number>>> {
  const { engine, model } = make(backend, options);
  const generator = new Generator(9);
  const draw = (count: number): Float64Array => Float64Array.from({ length: count }, () => generator.normal());
  const image = engine.tensor(draw(3 * 64 * 64 * 3), [3, 64, 64, 3]);
  const targets = {
    task: engine.tensor(Int32Array.of(0, 1, 1)),
    masks: engine.tensor(
      draw(2 * 64 * 64 * 2).map((x) => (x > 1 ? 1 : 0)),
      [2, 64, 64, 2],
    ),
    retinopathy: engine.tensor(Int32Array.of(4, 0)),
    edema: engine.tensor(Int32Array.of(-1, 2)),
  };
  engine.scope(() => {
    const constants = { posWeight: null, retinopathyWeights: null, edemaWeights: null };
    const output = model.forward(image, ROUTES);
    objective(
      output,
      targets,
      ROUTES,
      { ...LOSS_DEFAULTS, diceForm: 'batch' },
      constants,
      new RouterWeighting('held'),
      false,
    ).total.backward();
  });
  const found = new Map<string, ArrayLike<number>>();
  for (const [name, parameter] of model.namedParameters()) {
    if (!parameter.grad) throw new Error(`${name} got no gradient`);
    found.set(name, await parameter.grad.data());
  }
  model.dispose();
  return found;
}

describe('RoutedUnet', () => {
  it('bears the names of segmentation_models_pytorch', () => {
    const { model } = make(new ReferenceBackend(), { classifier: 'linear' });
    const names = [...model.namedTensors()].map(([name]) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'encoder.conv1.weight',
        'encoder.layer2.0.downsample.1.running_var',
        'decoder.blocks.4.conv2.0.weight',
        'decoder.blocks.0.conv1.1.running_mean',
        'segmentation_head.0.bias',
        'router.1.weight',
      ]),
    );
    expect(names.some((name) => name.startsWith('mixture'))).toBe(false);
  });

  it('gives masks, ordinal or plain grades, and only the heads that are asked for', () => {
    const forward = (options: Partial<RoutedUnetOptions>) => {
      const { engine, model } = make(new ReferenceBackend(), options);
      const output = model.forward(engine.tensor(new Float32Array(3 * 64 * 64 * 3), [3, 64, 64, 3]), ROUTES);
      return [output.maskLogits, output.retinopathyLogits, output.edemaLogits].map((tensor) => tensor?.shape ?? null);
    };
    expect(forward({})).toEqual([
      [2, 64, 64, 2],
      [2, 5],
      [2, 3],
    ]);
    expect(forward({ ordinal: true, classifier: 'linear', masks: 1 })).toEqual([
      [2, 64, 64, 1],
      [2, 4],
      [2, 2],
    ]);
    expect(forward({ grades: 'retinopathy' })).toEqual([[2, 64, 64, 2], [2, 5], null]);
    expect(forward({ grades: 'edema' })).toEqual([[2, 64, 64, 2], null, [2, 3]]);
  });

  it('refuses stage features beside convolution experts', () => {
    expect(() => make(new ReferenceBackend(), { gradeFeatures: 'stages' })).toThrow(/classifier linear/);
    expect(() => make(new ReferenceBackend(), { gradeFeatures: 'findings' })).toThrow(/classifier linear/);
  });

  const GRADERS: readonly Partial<RoutedUnetOptions>[] = [
    { classifier: 'experts' },
    { classifier: 'linear', gradeFeatures: 'stages' },
    { classifier: 'linear', gradeFeatures: 'findings', gateFeatures: 'masks' },
  ];
  it.each(GRADERS)('on the adapter has the reference gradient, for every parameter (%j)', async (options) => {
    const wanted = await gradients(new ReferenceBackend(), options);
    const got = await gradients(new GpuBackend(await testDevice()), options);
    expect([...got.keys()]).toEqual([...wanted.keys()]);
    for (const [name, reference] of wanted) {
      const values = got.get(name) as ArrayLike<number>;
      let difference = 0;
      let norm = 0;
      for (let i = 0; i < reference.length; i++) {
        difference += (values[i] - reference[i]) ** 2;
        norm += reference[i] ** 2;
      }
      // Biases before BatchNorm have a gradient of 0 apart from rounding; BatchNorm over few pixels magnifies rounding elsewhere.
      expect(Math.sqrt(difference), name).toBeLessThan(5e-3 * Math.sqrt(norm) + 2e-5);
    }
  });
});
