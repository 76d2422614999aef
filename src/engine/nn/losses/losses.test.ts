/** Tier: no adapter. The options of the losses in src/engine/nn/functional.ts; their numbers stand in kernels-test/. */
import { afterAll, describe, expect, it } from 'vitest';
import { Engine } from '../../autograd/engine.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { ReferenceBackend } from '../../ops/referenceBackend.ts';
import * as F from '../functional.ts';
import { cornProbabilities } from './corn.ts';

const engine = new Engine(new ReferenceBackend());
afterAll(() => engine.backend.destroy());

const wave = (count: number, step: number): number[] => Array.from({ length: count }, (_, i) => 2 * Math.sin(step * i));
const bits = (count: number): number[] => Array.from({ length: count }, (_, i) => ((i * i + 3 * i) % 5 < 2 ? 1 : 0));

const SHAPE = [3, 4, 5, 2];
const logits = () => engine.tensor(wave(120, 0.7), SHAPE, { requiresGrad: true });
const masks = () => engine.tensor(bits(120), SHAPE);

describe('a loss for each row', () => {
  const grades = () => engine.tensor(Int32Array.of(0, -1, 4), [3]);
  const cases: [string, number, () => { x: Tensor; rows: Tensor; mean: Tensor }][] = [
    [
      'bceWithLogits',
      3,
      () => {
        const x = logits();
        const rows = F.bceWithLogits(x, masks(), { reduction: 'sample', gamma: 2 });
        return { x, rows, mean: F.bceWithLogits(x, masks(), { gamma: 2 }) };
      },
    ],
    [
      'softDiceLoss',
      3,
      () => {
        const x = logits();
        const options = { smooth: 1, alpha: 0.3, beta: 0.7 };
        const rows = F.softDiceLoss(x, masks(), { ...options, reduction: 'sample' });
        return { x, rows, mean: F.softDiceLoss(x, masks(), options) };
      },
    ],
    [
      'crossEntropy',
      2,
      () => {
        const x = engine.tensor(wave(15, 1.1), [3, 5], { requiresGrad: true });
        const rows = F.crossEntropy(x, grades(), { reduction: 'none', labelSmoothing: 0.1 });
        return { x, rows, mean: F.crossEntropy(x, grades(), { labelSmoothing: 0.1 }) };
      },
    ],
  ];

  it.each(cases)('%s: rows average to the mean, and rows and weights get gradients', async (_name, counted, make) => {
    const { x, rows, mean } = make();
    const values = Array.from(await rows.data());
    expect(rows.shape).toEqual([3]);
    expect(values.reduce((a, b) => a + b, 0) / counted).toBeCloseTo(await mean.item(), 6);
    const weights = engine.tensor([0.5, 0, 2], [3], { requiresGrad: true });
    rows.mul(weights).sum().backward();
    expect([...(await weights.grad!.data())]).toEqual(values);
    const gradient = await x.grad!.data();
    const width = gradient.length / 3;
    expect(gradient.slice(width, 2 * width).every((value) => Math.abs(value) === 0)).toBe(true);
    expect(gradient.slice(2 * width).some((value) => value !== 0)).toBe(true);
  });
});

describe('focalWithLogits', () => {
  it('has gamma 2 by default, and gamma 0 is cross entropy', async () => {
    const [x, t] = [logits(), masks()];
    expect(await F.focalWithLogits(x, t).item()).toBe(await F.bceWithLogits(x, t, { gamma: 2 }).item());
    const plain = await F.bceWithLogits(x, t).item();
    expect(await F.focalWithLogits(x, t, { gamma: 0 }).item()).toBe(plain);
    expect(await F.focalWithLogits(x, t).item()).toBeLessThan(plain);
  });
});

describe('softDiceLoss', () => {
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  /** 1 - Dice over the elements that `chosen` picks. */
  function lossOver(targets: readonly number[], smooth: number, chosen: (index: number) => boolean): number {
    let [both, sizes] = [0, 0];
    wave(120, 0.7).forEach((value, i) => {
      if (!chosen(i)) return;
      const p = sigmoid(Math.fround(value));
      both += p * targets[i];
      sizes += p + targets[i];
    });
    return 1 - (2 * both + smooth) / (sizes + smooth);
  }

  it('form batch flattens everything', async () => {
    const loss = await F.softDiceLoss(logits(), masks(), { form: 'batch' }).item();
    expect(loss).toBeCloseTo(
      lossOver(bits(120), 1e-6, () => true),
      6,
    );
  });

  it('form smp sums a class over the batch and passes over a class without positives', async () => {
    const targets = bits(120).map((value, i) => (i % 2 === 1 ? 0 : value));
    const loss = await F.softDiceLoss(logits(), engine.tensor(targets, SHAPE), { form: 'smp' }).item();
    expect(loss).toBeCloseTo(lossOver(targets, 0, (i) => i % 2 === 0) / 2, 6);
  });

  it('options beside the form override its own, undefined ones do not', async () => {
    const loss = async (smooth: number | undefined) =>
      F.softDiceLoss(logits(), masks(), { form: 'batch', smooth }).item();
    expect(await loss(50)).toBeCloseTo(
      lossOver(bits(120), 50, () => true),
      6,
    );
    expect(await loss(undefined)).toBe(await F.softDiceLoss(logits(), masks(), { form: 'batch' }).item());
  });

  it('has no loss a sample where samples are summed together', () => {
    expect(() => F.softDiceLoss(logits(), masks(), { form: 'smp', reduction: 'sample' })).toThrow(/per sample/);
  });
});

it('cornProbabilities on the device are those of the host, and differentiable', async () => {
  const x = engine.tensor(wave(12, 1.3), [3, 4], { requiresGrad: true });
  const probabilities = F.cornProbabilities(x);
  expect(probabilities.shape).toEqual([3, 5]);
  const [data, values] = [await probabilities.data(), await x.data()];
  for (let row = 0; row < 3; row++) {
    cornProbabilities(values.slice(4 * row, 4 * row + 4)).forEach((want, k) => {
      expect(data[5 * row + k]).toBeCloseTo(want, 6);
    });
  }
  probabilities.square().sum().backward();
  expect((await x.grad!.data()).every((value) => value !== 0)).toBe(true);
  expect((await F.cornProbabilities(engine.tensor([0.5, -2], [2, 1])).data()).length).toBe(4);
});

describe('maskLoss', () => {
  const posWeight = () => engine.tensor([3, 0.5], [2]);
  it.each([
    { form: 'sample', smooth: 1 },
    { form: 'sample', smooth: 1e-5, alpha: 0.3, beta: 0.7 },
    { form: 'batch', smooth: undefined },
    { form: 'smp', smooth: undefined, alpha: 0.2, beta: 0.8 },
  ] as const)('is bceWithLogits and softDiceLoss at once, with their gradients: %o', async (dice) => {
    const [together, apart] = [logits(), logits()];
    const fused = F.maskLoss(together, masks(), { bceWeight: 0.7, diceWeight: 1.5, posWeight: posWeight(), ...dice });
    const bce = F.bceWithLogits(apart, masks(), { posWeight: posWeight() });
    const plain = F.softDiceLoss(apart, masks(), dice);
    const sum = bce.mul(0.7).add(plain.mul(1.5));
    expect(await fused.bce.item()).toBeCloseTo(await bce.item(), 12);
    expect(await fused.dice.item()).toBeCloseTo(await plain.item(), 12);
    expect(await fused.loss.item()).toBeCloseTo(await sum.item(), 12);
    fused.loss.backward();
    sum.backward();
    const want = await apart.grad!.data();
    const got = Array.from(await together.grad!.data());
    for (const [i, value] of got.entries()) expect(value).toBeCloseTo(want[i], 9);
    expect(want.some((value) => Math.abs(value) > 1e-4)).toBe(true);
  });
});
