/** Tier: no adapter. */
import { afterEach, describe, expect, it } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { layerCount, layerScaleOf } from '../../engine/models/layerDecay.ts';
import { describeTrunk } from '../../engine/models/pretrained/trunk.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { buildOptimizer, parametersOf } from './build.ts';
import { buildModel } from '../network/build.ts';
import { resolveConfig } from '../config/resolve.ts';
import { shapesOf } from '../network/weights.ts';

afterEach(() => {
  setEngine(null);
});

describe('layer decay', () => {
  it.each(['demo', 'resnet-unet-small'] as const)(
    'moves every parameter of %s by its own learning rate',
    async (preset) => {
      const lr = 0.01;
      const config = resolveConfig({
        preset,
        overrides: ['optimizer.layerDecay=0.5', `optimizer.lr=${lr}`, 'optimizer.weightDecay=0'],
      });
      const engine = new Engine(new ReferenceBackend(), { seed: 0 });
      setEngine(engine);
      const model = buildModel(engine, config);
      const shapes = shapesOf(model);
      const params = parametersOf(model);
      const optimizer = buildOptimizer(config, params, shapes);
      const before = await Promise.all(params.map(({ tensor }) => tensor.data()));
      // A gradient of 1 everywhere: AdamW's first step is the learning rate itself (Kingma & Ba 2015, section 2.1).
      engine.scope(() => {
        for (const { tensor } of params) tensor.sum().backward();
      });
      optimizer.lr = lr;
      optimizer.step();
      const trunk = describeTrunk(shapes);
      if (!trunk) throw new Error('no trunk');
      const scales = new Set<number>();
      for (const [index, { name, tensor }] of params.entries()) {
        const scale = layerScaleOf(name, trunk, 0.5);
        const [after] = await tensor.data();
        expect(before[index][0] - after, name).toBeCloseTo(lr * scale, 6);
        scales.add(scale);
      }
      expect(scales.size).toBe(layerCount(trunk));
    },
  );
});
