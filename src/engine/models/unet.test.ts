/** Tier: no adapter. What the goldens of kernels-test/goldenModels.test.ts do not cover of the U-Net: sizes, heads, errors, batch counts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../autograd/currentEngine.ts';
import { Engine } from '../autograd/engine.ts';
import { BatchNorm2d } from '../nn/normalization.ts';
import { RandomSource } from '../nn/randomSource.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { Unet, UnetDecoder } from './unet.ts';

const encoder = { depths: [1, 1, 1, 1], widths: [2, 3, 4, 5] } as const;
const decoderChannels = [5, 4, 3, 2, 2];

let engine: Engine;
beforeEach(() => {
  engine = new Engine(new ReferenceBackend());
  setEngine(engine);
});
afterEach(() => {
  setEngine(null);
});

function image(height: number, width: number) {
  const data = Float32Array.from({ length: 2 * height * width * 3 }, (_, i) => Math.sin(i * 1.7));
  return engine.tensor(data, [2, height, width, 3]);
}

describe('Unet', () => {
  it('serves sizes that are not multiples of 32, and classifies the image', () => {
    const net = new Unet({ encoder, decoderChannels, classes: 3, imageClasses: 4 });
    const { masks, image: logits } = net.forward(image(33, 47));
    expect(masks.shape).toEqual([2, 33, 47, 3]);
    expect(logits?.shape).toEqual([2, 4]);
    const names = [...net.namedParameters()].map(([name]) => name);
    expect(names.filter((name) => /head/.test(name))).toEqual([
      'segmentation_head.0.weight',
      'segmentation_head.0.bias',
      'classification_head.3.weight',
      'classification_head.3.bias',
    ]);
  });

  it('drops features before the image classifier in training only', async () => {
    const random = new RandomSource(3, engine);
    const net = new Unet({ encoder, decoderChannels, classes: 1, imageClasses: 2, imageDropout: 0.5, random });
    const x = image(32, 32);
    const imageLogits = async (step: number): Promise<number[]> => {
      random.setStep(step);
      const { image: logits } = net.forward(x);
      return [...((await logits?.data()) ?? [])];
    };
    expect(await imageLogits(1)).not.toEqual(await imageLogits(2));
    net.eval();
    expect(await imageLogits(1)).toEqual(await imageLogits(2));
  });

  it('refuses a decoder that does not fit its encoder, and dropout without randomness', () => {
    expect(() => new UnetDecoder({ encoderChannels: [2, 2, 3], channels: [4, 3] })).toThrow(
      /2 blocks .* 3 encoder maps/,
    );
    expect(() => new Unet({ encoder, decoderChannels, classes: 1, imageClasses: 2, imageDropout: 0.5 })).toThrow(
      /randomness/,
    );
  });
});

describe('BatchNorm2d', () => {
  it('counts batches and moves its statistics in training only; they are buffers, not parameters', async () => {
    const norm = new BatchNorm2d(3);
    const x = image(4, 5);
    norm.forward(x);
    norm.forward(x);
    norm.eval();
    norm.forward(x);
    expect(await norm.num_batches_tracked.item()).toBe(2);
    const mean = [...(await norm.running_mean.data())];
    expect(mean.every((value) => value !== 0)).toBe(true);
    norm.forward(x);
    expect([...(await norm.running_mean.data())]).toEqual(mean);
    expect([...norm.namedParameters()].map(([name]) => name)).toEqual(['weight', 'bias']);
    expect([...norm.namedTensors()].map(([name]) => name).slice(2)).toEqual([
      'running_mean',
      'running_var',
      'num_batches_tracked',
    ]);
  });
});
