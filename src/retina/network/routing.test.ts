/** Tier: no adapter. Which expert learns from which row, and how answers are blended. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import type { Batch } from '../data/loading/batch.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { arrange, blendExperts, gumbelChoice, gumbelNoise, gumbelTau } from './routing.ts';

let engine: Engine;
beforeEach(() => {
  engine = new Engine(new ReferenceBackend(), { seed: 1 });
  setEngine(engine);
});
afterEach(() => {
  setEngine(null);
});

/** Rows: masks; masks and grades (part A); grades; grades and masks (part B); edema risk alone. */
const BATCH = {
  task: Int32Array.of(0, 0, 1, 1, 1),
  hasMasks: Uint8Array.of(1, 1, 0, 1, 0),
  retinopathy: Int32Array.of(-1, 2, 0, 3, -1),
  edema: Int32Array.of(-1, 1, 0, 2, 1),
} as unknown as Batch;

const numbers = async (tensor: Tensor | null): Promise<number[]> => Array.from(await (tensor as Tensor).data());

describe('arrange', () => {
  it("supervised: each row to its own task's expert, in the batch's order", () => {
    expect(arrange(BATCH, 'supervised')).toEqual({
      order: [0, 1, 2, 3, 4],
      routes: { segmentation: [0, 1], classification: [2, 3, 4] },
    });
  });

  it.each(['both', 'none', 'soft', 'gumbel'] as const)('%s: to every expert that has a label, as ranges', (routing) => {
    expect(arrange(BATCH, routing)).toEqual({
      order: [0, 1, 3, 2, 4],
      routes: { segmentation: [0, 1, 2], classification: [1, 2, 3, 4] },
    });
  });
});

describe('blendExperts', () => {
  const ROUTES = { segmentation: [0, 1], classification: [1, 2] };
  const output = () => ({
    maskLogits: engine.tensor([4, 4, -1, -1], [2, 1, 2, 1], { requiresGrad: true }),
    retinopathyLogits: engine.tensor([1, 2, 3, 4], [2, 2]),
    edemaLogits: null,
  });

  it('is the expert at weight 1, the uninformed answer at 0, and between them elsewhere', async () => {
    const weights = engine.tensor([1, 0, 0.25, 0.5, 0, 1], [3, 2]);
    const blended = blendExperts(output(), weights, ROUTES, -3);
    expect(await numbers(blended.maskLogits)).toEqual([4, 4, -2.5, -2.5]);
    expect(await numbers(blended.retinopathyLogits)).toEqual([0.5, 1, 3, 4]);
    expect(blended.edemaLogits).toBeNull();
  });

  it('teaches expert and gate', async () => {
    const weights = engine.tensor([1, 0, 0.25, 0.75, 0, 1], [3, 2], { requiresGrad: true });
    const made = output();
    (blendExperts(made, weights, ROUTES, -3).maskLogits as Tensor).sum().backward();
    expect(await numbers(made.maskLogits.grad)).toEqual([1, 1, 0.25, 0.25]);
    expect(await numbers(weights.grad)).toEqual([14, 0, 4, 0, 0, 0]);
  });
});

describe('gumbel routing', () => {
  it('chooses one expert a row and has the gradient of the softmax', async () => {
    const logits = engine.tensor([1, 0, 0, 1], [2, 2], { requiresGrad: true });
    const noise = engine.tensor([0, 2, 0, 0], [2, 2]);
    const choice = gumbelChoice(logits, noise, engine.tensor([2]));
    (await numbers(choice)).forEach((value, index) => {
      expect(value).toBeCloseTo([0, 1, 0, 1][index], 12);
    });
    choice.slice(1, 0, 1).sum().backward();
    const gradient = await numbers(logits.grad);
    [-1, -1].forEach((difference, row) => {
      const p = 1 / (1 + Math.exp(-2 * difference));
      expect(gradient[2 * row]).toBeCloseTo(2 * p * (1 - p), 6);
      expect(gradient[2 * row + 1]).toBeCloseTo(-2 * p * (1 - p), 6);
    });
  });

  it('draws each expert as often as the gate gives it, the same at each repetition', () => {
    expect(gumbelNoise(7, 3, 4)).toEqual(gumbelNoise(7, 3, 4));
    expect(gumbelNoise(7, 3, 4)).not.toEqual(gumbelNoise(7, 4, 4));
    const rows = 20_000;
    const noise = gumbelNoise(1, 0, rows);
    let first = 0;
    for (let row = 0; row < rows; row++) if (noise[2 * row] + Math.log(3) > noise[2 * row + 1]) first++;
    expect(first / rows).toBeCloseTo(0.75, 1.7);
    expect(noise.every(Number.isFinite)).toBe(true);
  });

  it('cools geometrically', () => {
    expect(gumbelTau([1, 0.01], 0, 101)).toBe(1);
    expect(gumbelTau([1, 0.01], 50, 101)).toBeCloseTo(0.1, 12);
    expect(gumbelTau([1, 0.01], 200, 101)).toBeCloseTo(0.01, 12);
  });
});
