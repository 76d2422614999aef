/** Tier: no adapter. ConvNeXt's shapes and names, on shapes alone. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../autograd/currentEngine.ts';
import { Engine } from '../autograd/engine.ts';
import type { Module } from '../nn/module.ts';
import { DryBackend } from '../ops/tapBackend.ts';
import { CONVNEXT_VARIANTS, type ConvNeXtVariant, convnext } from './convnext.ts';

let previous: Engine | null = null;
let engine: Engine;

beforeEach(() => {
  engine = new Engine(new DryBackend(), { seed: 3 });
  previous = setEngine(engine);
});
afterEach(() => {
  setEngine(previous);
});

const shapesOf = (model: Module): Map<string, readonly number[]> =>
  new Map([...model.namedTensors()].map(([name, parameter]) => [name, parameter.externalShape]));

describe('ConvNeXt', () => {
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
