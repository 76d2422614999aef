/** Tier: no adapter. Shapes, names and gradients of ConvNeXt and the multitask network, on shapes alone or the float64 references. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../autograd/currentEngine.ts';
import { Engine } from '../autograd/engine.ts';
import { GmtlError } from '../errors.ts';
import type { Module } from '../nn/module.ts';
import { DryBackend } from '../ops/tapBackend.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { objective } from '../../retina/train/objective.ts';
import { CountWeighting } from '../../retina/train/weighting/index.ts';
import { CONVNEXT_VARIANTS, type ConvNeXtVariant, convnext } from './convnext.ts';
import { GatedMultitaskNet } from '../../retina/network/multitask.ts';
import { LOSS_DEFAULTS, TINY_NETWORK } from '../../retina/network/testsupport.ts';

let previous: Engine | null = null;
let engine: Engine;

function use(backend: DryBackend | ReferenceBackend): void {
  engine = new Engine(backend, { seed: 3 });
  setEngine(engine);
}

beforeEach(() => {
  previous = setEngine(null);
});
afterEach(() => {
  setEngine(previous);
});

const shapesOf = (model: Module): Map<string, readonly number[]> =>
  new Map([...model.namedTensors()].map(([name, parameter]) => [name, parameter.externalShape]));

describe('ConvNeXt', () => {
  beforeEach(() => use(new DryBackend()));

  // With 1,000 classes, and without head.fc. tiny, small and base are torchvision's num_params; atto is timm's 3.7 M.
  const counts: Record<Exclude<ConvNeXtVariant, 'demo'>, readonly [number, number]> = {
    atto: [3_695_520, 3_374_520],
    femto: [5_217_784, 4_832_784],
    pico: [9_045_672, 8_532_672],
    nano: [15_593_560, 14_952_560],
    tiny: [28_589_128, 27_820_128],
    small: [50_223_688, 49_454_688],
    base: [88_591_464, 87_566_464],
  };
  for (const [variant, [classifier, trunk]] of Object.entries(counts)) {
    it(`${variant} has the published number of parameters`, () => {
      const name = variant as ConvNeXtVariant;
      expect(convnext(name).parameterCount()).toBe(classifier);
      expect(convnext(name, { classes: 0 }).parameterCount()).toBe(trunk);
    });
  }

  it("has timm's names and shapes: tiny, with linear MLPs", () => {
    const model = convnext('tiny');
    const shapes = shapesOf(model);
    // timm.create_model('convnext_tiny').state_dict(): 182 entries, in this order within each part.
    expect(shapes.size).toBe(182);
    expect([...shapes.keys()].slice(0, 14)).toEqual([
      'stem.0.weight',
      'stem.0.bias',
      'stem.1.weight',
      'stem.1.bias',
      ...['conv_dw.weight', 'conv_dw.bias', 'norm.weight', 'norm.bias'].map((name) => `stages.0.blocks.0.${name}`),
      ...['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'].map((name) => `stages.0.blocks.0.mlp.${name}`),
      'stages.0.blocks.0.gamma',
      'stages.0.blocks.1.conv_dw.weight',
    ]);
    expect(
      Object.fromEntries([...shapes].filter(([name]) => /^(stem|head)|^stages\.1\.(downsample|blocks\.2)/.test(name))),
    ).toEqual({
      'stem.0.weight': [96, 3, 4, 4],
      'stem.0.bias': [96],
      'stem.1.weight': [96],
      'stem.1.bias': [96],
      'stages.1.downsample.0.weight': [96],
      'stages.1.downsample.0.bias': [96],
      'stages.1.downsample.1.weight': [192, 96, 2, 2],
      'stages.1.downsample.1.bias': [192],
      'stages.1.blocks.2.conv_dw.weight': [192, 1, 7, 7],
      'stages.1.blocks.2.conv_dw.bias': [192],
      'stages.1.blocks.2.norm.weight': [192],
      'stages.1.blocks.2.norm.bias': [192],
      'stages.1.blocks.2.mlp.fc1.weight': [768, 192],
      'stages.1.blocks.2.mlp.fc1.bias': [768],
      'stages.1.blocks.2.mlp.fc2.weight': [192, 768],
      'stages.1.blocks.2.mlp.fc2.bias': [192],
      'stages.1.blocks.2.gamma': [192],
      'head.norm.weight': [768],
      'head.norm.bias': [768],
      'head.fc.weight': [1000, 768],
      'head.fc.bias': [1000],
    });
  });

  it.each(['atto', 'femto', 'pico', 'nano'] as const)(
    "stores %s's MLPs as 1x1 convolutions, as timm does",
    (variant) => {
      const shapes = shapesOf(convnext(variant));
      const [width] = CONVNEXT_VARIANTS[variant].dims;
      expect(shapes.get('stages.0.blocks.1.mlp.fc1.weight')).toEqual([4 * width, width, 1, 1]);
      expect(shapes.get('stages.0.blocks.1.mlp.fc2.weight')).toEqual([width, 4 * width, 1, 1]);
      expect(shapes.get('head.fc.weight')).toHaveLength(2);
    },
  );

  it('gives features at strides 4, 8, 16 and 32', () => {
    const model = convnext('base', { classes: 0 });
    const features = model.forwardFeatures(engine.empty([2, 224, 96, 3]));
    expect(features.map(({ shape }) => shape)).toEqual([
      [2, 56, 24, 128],
      [2, 28, 12, 256],
      [2, 14, 6, 512],
      [2, 7, 3, 1024],
    ]);
    expect(model.forward(engine.empty([2, 64, 64, 3])).shape).toEqual([2, 1024]);
    expect(convnext('atto').forward(engine.empty([3, 32, 32, 3])).shape).toEqual([3, 1000]);
  });
});

describe('the multitask network', () => {
  it('gives every parameter a gradient when both experts run', () => {
    use(new DryBackend());
    const model = new GatedMultitaskNet({ ...TINY_NETWORK, headDropout: 0.3, decoderDropout: 0.2, dropPath: 0.1 });
    const step = (segmentation: number[], classification: number[]): string[] =>
      engine.scope(() => {
        model.zeroGrad();
        const output = model.forward(engine.empty([4, 32, 32, 3]), { segmentation, classification });
        const { total } = objective(
          output,
          {
            task: engine.empty([4], { dtype: 'i32' }),
            masks: segmentation.length > 0 ? engine.empty([segmentation.length, 32, 32, 5]) : null,
            retinopathy: classification.length > 0 ? engine.empty([classification.length], { dtype: 'i32' }) : null,
            edema: classification.length > 0 ? engine.empty([classification.length], { dtype: 'i32' }) : null,
          },
          { segmentation, classification },
          LOSS_DEFAULTS,
          { posWeight: null, retinopathyWeights: null, edemaWeights: null },
          new CountWeighting(),
        );
        total.backward();
        return [...model.namedParameters()].filter(([, parameter]) => !parameter.grad).map(([name]) => name);
      });
    expect(step([0, 1], [2, 3])).toEqual([]);
    // An expert without images gets none, and nothing else goes without.
    const withoutMasks = step([], [0, 1, 2, 3]);
    expect(withoutMasks).not.toEqual([]);
    expect(withoutMasks.every((name) => name.startsWith('decoder.'))).toBe(true);
    expect(step([0, 1, 2, 3], []).every((name) => /^(retino|edema)\./.test(name))).toBe(true);
  });

  it('gives a state dict that loads back bitwise, into a network of another seed', async () => {
    use(new ReferenceBackend());
    const model = new GatedMultitaskNet(TINY_NETWORK);
    const state = await model.stateDict();
    const other = new GatedMultitaskNet(TINY_NETWORK);
    const name = 'decoder.blocks.0.up.weight';
    expect((await other.stateDict()).get(name)?.data).not.toEqual(state.get(name)?.data);
    const report = other.loadStateDict(state);
    expect(report.matched).toHaveLength(state.size);
    const loaded = await other.stateDict();
    expect([...loaded.keys()]).toEqual([...state.keys()]);
    for (const [key, { shape, data }] of state) {
      expect(loaded.get(key)?.shape, key).toEqual(shape);
      expect(loaded.get(key)?.data, key).toEqual(data);
    }
    // The published decoder's transposed convolutions are (in, out, k, k), its other kernels (out, in, k, k).
    expect(state.get(name)?.shape).toEqual([8, 6, 2, 2]);
    expect(state.get('decoder.blocks.0.conv.weight')?.shape).toEqual([6, 6 + 7, 3, 3]);
    expect(state.get('gate.3.weight')?.shape).toEqual([2, 5]);
  });

  it('refuses weights that do not fit, naming them, and writes nothing', async () => {
    use(new ReferenceBackend());
    const model = new GatedMultitaskNet(TINY_NETWORK);
    const before = await model.stateDict();
    const wrong = new Map(
      [...before].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => x + 1) }]),
    );
    wrong.delete('retino.0.bias');
    wrong.set('retino.9.bias', { shape: [1], data: new Float32Array(1) });
    wrong.set('edema.3.weight', { shape: [5, 3], data: new Float32Array(15) });
    let error: unknown;
    try {
      model.loadStateDict(wrong);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(GmtlError);
    const { message } = error as GmtlError;
    expect(message).toContain('missing (1): retino.0.bias');
    expect(message).toContain('unknown (1): retino.9.bias');
    expect(message).toContain('edema.3.weight is [5, 3], not [3, 5]');
    expect(await model.stateDict()).toEqual(before);

    const partly = model.loadStateDict(wrong, { strict: false });
    expect(partly.missing).toEqual(['retino.0.bias']);
    expect(partly.unexpected).toEqual(['retino.9.bias']);
    expect(partly.mismatched.map(({ name }) => name)).toEqual(['edema.3.weight']);
    const after = await model.stateDict();
    expect(after.get('edema.3.weight')).toEqual(before.get('edema.3.weight'));
    expect(after.get('gate.0.bias')?.data).toEqual(before.get('gate.0.bias')?.data.map((x) => x + 1));
  });
});
