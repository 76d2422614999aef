/** Tier: no adapter. Task weightings against their formulas, in float64. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../../../engine/autograd/currentEngine.ts';
import { Engine } from '../../../engine/autograd/engine.ts';
import type { Tensor } from '../../../engine/autograd/tensor.ts';
import * as F from '../../../engine/nn/functional.ts';
import { ReferenceBackend } from '../../../engine/ops/referenceBackend.ts';
import type { Objective } from '../objective.ts';
import { addGradients, takeGradients } from '../stepGradients.ts';
import { backwardByTask, joinTasks } from '../taskGradients.ts';
import {
  CountWeighting,
  DynamicWeightAverage,
  dynamicWeights,
  EqualWeighting,
  GradientSurgery,
  GradNormWeighting,
  RouterWeighting,
  type TaskTerm,
  UncertaintyWeighting,
  type Weighting,
} from './index.ts';

let engine: Engine;
beforeEach(() => {
  engine = new Engine(new ReferenceBackend(), { seed: 1 });
  setEngine(engine);
});
afterEach(() => {
  setEngine(null);
});

/** One micro-batch's gradients by task, adjusted and given back to the parameters beside those that they held before. */
function teach(
  objective: Objective,
  params: readonly { name: string; tensor: Tensor }[],
  weighting: Weighting,
  scale: number,
): Tensor | null {
  const earlier = takeGradients(params);
  const gradients = backwardByTask(objective, params, scale);
  const losses = F.concat(
    objective.terms.map(({ loss }) => loss.detach().reshape([1])),
    0,
  );
  const dots = joinTasks(engine, params, gradients, losses, weighting);
  addGradients(engine, params, earlier);
  return dots;
}

const ROWS = { segmentation: [0], classification: [1, 2, 3] };

/** Losses whose gradients on a shared w are a and b: L1 = a.w, L2 = b.w. */
function linearTasks(w: Tensor, a: readonly number[], b: readonly number[]): TaskTerm[] {
  const loss = (direction: readonly number[]): Tensor => w.mul(engine.tensor(direction)).sum();
  return [
    { task: 'segmentation', loss: loss(a), rows: ROWS.segmentation },
    { task: 'classification', loss: loss(b), rows: ROWS.classification },
  ];
}

function objectiveOf(terms: readonly TaskTerm[], weighting: Weighting, gateLogits?: Tensor): Objective {
  const weighted = weighting.combine(terms, {
    rows: 4,
    gateLogits: gateLogits ?? engine.tensor(new Float32Array(8), [4, 2]),
  });
  const rest = weighted.extra;
  const total = [...weighted.losses, ...(rest ? [rest] : [])].reduce((sum, term) => sum.add(term));
  return { total, terms, weighted, rest, parts: {} };
}

const numbers = async (tensor: Tensor): Promise<number[]> => Array.from(await tensor.data());
const weightsOf = async ({ weighted }: Objective): Promise<number[]> =>
  (await Promise.all(weighted.weights.map(numbers))).flat();
const shared = (w: Tensor) => [{ name: 'trunk.w', tensor: w }];

function leaf(values: readonly number[]): Tensor {
  return engine.tensor(Float32Array.from(values), [values.length], { requiresGrad: true });
}

describe('fixed weights', () => {
  it('ew adds the losses; counts weights them by their rows', async () => {
    const terms = linearTasks(leaf([1, 2]), [1, 0], [0, 4]);
    expect(await objectiveOf(terms, new EqualWeighting()).total.item()).toBe(9);
    const counted = objectiveOf(terms, new CountWeighting());
    expect(await counted.total.item()).toBe(1 / 4 + (3 / 4) * 8);
    expect(await weightsOf(counted)).toEqual([0.25, 0.75]);
  });

  it('dwa is 1 for two epochs, then K softmax(r / T) of the ratios of the last two', async () => {
    const weighting = new DynamicWeightAverage(engine, 2);
    const at = async (): Promise<number[]> =>
      weightsOf(objectiveOf(linearTasks(leaf([1, 1]), [1, 0], [0, 1]), weighting));
    expect(await at()).toEqual([1, 1]);
    weighting.finishEpoch({ segmentation: 2, classification: 4 });
    expect(await at()).toEqual([1, 1]);
    weighting.finishEpoch({ segmentation: 1.8, classification: 2 });
    const [slow, fast] = [Math.exp(0.9 / 2), Math.exp(0.5 / 2)];
    const expected = [(2 * slow) / (slow + fast), (2 * fast) / (slow + fast)];
    (await at()).forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index], 6);
    });
    const resumed = new DynamicWeightAverage(engine, 2);
    resumed.restoreHostState(JSON.parse(JSON.stringify(weighting.hostState())));
    expect(await weightsOf(objectiveOf(linearTasks(leaf([1, 1]), [1, 0], [0, 1]), resumed))).toEqual(await at());
  });

  it('dwa leaves a task without losses at the ratio 1', () => {
    expect(dynamicWeights([1, Number.NaN], [1, Number.NaN], 2)).toEqual([1, 1]);
    expect(dynamicWeights([0, 1], [0, 1], 2)).toEqual([1, 1]);
  });
});

describe('a batch of which no row reaches an expert', () => {
  it.each([
    ['ew', () => new EqualWeighting()],
    ['uw', () => new UncertaintyWeighting()],
    ['router', () => new RouterWeighting('held')],
    ['pcgrad', () => new GradientSurgery()],
    ['gradnorm', () => new GradNormWeighting(engine, 1.5)],
  ] as const)('has nothing to weight: %s', (_name, make) => {
    const gateLogits = engine.tensor(new Float32Array(8), [4, 2]);
    expect(make().combine([], { rows: 4, gateLogits })).toEqual({ losses: [], extra: null, weights: [] });
  });
});

describe('uncertainty weighting', () => {
  it('is sum L / (2 e^s) + s / 2 and gives s the gradient 1/2 - L / (2 e^s)', async () => {
    const weighting = new UncertaintyWeighting();
    const objective = objectiveOf(linearTasks(leaf([3, 5]), [1, 0], [0, 1]), weighting);
    const factor = Math.exp(0.5) / 2;
    expect(await objective.total.item()).toBeCloseTo(factor * 8 - 0.5, 6);
    objective.total.backward();
    const gradient = await numbers(weighting.logVariance.grad as Tensor);
    expect(gradient[0]).toBeCloseTo(0.5 - 3 * factor, 6);
    expect(gradient[1]).toBeCloseTo(0.5 - 5 * factor, 6);
  });
});

describe('gradient surgery (PCGrad)', () => {
  const run = async (a: readonly number[], b: readonly number[]): Promise<number[]> => {
    const w = leaf([1, 1]);
    const weighting = new GradientSurgery();
    teach(objectiveOf(linearTasks(w, a, b), weighting), shared(w), weighting, 1);
    return numbers(w.grad as Tensor);
  };

  it('adds gradients that do not conflict', async () => {
    expect(await run([1, 0], [1, 2])).toEqual([2, 2]);
  });

  it('projects conflicting gradients onto the normal planes of each other', async () => {
    const [a, b] = [
      [1, 0],
      [-1, 2],
    ];
    // g1 - (g1.g2 / |g2|^2) g2 + g2 - (g1.g2 / |g1|^2) g1 with g1.g2 = -1, |g1|^2 = 1, |g2|^2 = 5.
    const expected = a.map((value, index) => value + b[index] / 5 + b[index] + value);
    (await run(a, b)).forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index], 6);
    });
  });
});

describe('gradients by task', () => {
  it('equal one backward pass of the total, add to what is there, and give the products', async () => {
    const weighting = new EqualWeighting();
    const w = leaf([1, 2, 3]);
    const make = (): Objective => objectiveOf(linearTasks(w, [1, 2, 0], [0, 3, -1]), weighting);
    make().total.backward();
    const dots = teach(make(), shared(w), weighting, 0.5);
    expect(await numbers(w.grad as Tensor)).toEqual([1.5, 7.5, -1.5]);
    expect(await numbers(dots as Tensor)).toEqual([6 / 4, 5 / 4, 10 / 4]);
  });
});

describe('GradNorm', () => {
  it('moves its weights towards equal gradient norms, and keeps their sum', async () => {
    const weighting = new GradNormWeighting(engine, 1.5);
    const norms: number[][] = [];
    for (let step = 0; step < 300; step++) {
      const w = leaf([1, 1]);
      weighting.advance(step);
      const objective = objectiveOf(linearTasks(w, [4, 0], [0, 1]), weighting);
      const weights = await weightsOf(objective);
      teach(objective, shared(w), weighting, 1);
      norms.push([4 * weights[0], weights[1]]);
      expect(weights[0] + weights[1]).toBeCloseTo(2, 5);
      const gradient = await numbers(weighting.logits.grad as Tensor);
      const now = await numbers(weighting.logits);
      weighting.logits.write(Float32Array.from(now, (value, index) => value - 0.02 * gradient[index]));
      weighting.zeroGrad();
    }
    expect(norms[0]).toEqual([4, 1]);
    // The losses never change, so all rates are equal and the target is the mean norm.
    const [first, second] = norms[norms.length - 1];
    expect(Math.abs(first - second)).toBeLessThan(0.15);
  });

  it('has the gradient of sum |w_k n_k - mean * r_k^alpha| with constant targets', async () => {
    const weighting = new GradNormWeighting(engine, 1.5);
    weighting.logits.write(Float32Array.of(0.3, -0.2));
    weighting.initialLosses.write(Float32Array.of(4, 2));
    weighting.advance(5);
    const w = leaf([1, 1]);
    teach(objectiveOf(linearTasks(w, [3, 0], [0, 1]), weighting), shared(w), weighting, 1);
    const logits = [0.3, -0.2];
    const weights = (p: readonly number[]): number[] => {
      const e = p.map(Math.exp);
      return e.map((value) => (2 * value) / (e[0] + e[1]));
    };
    const norms = [3, 1];
    const start = weights(logits);
    const rates = [3 / 4, 1 / 2].map((rate) => rate / ((3 / 4 + 1 / 2) / 2));
    const mean = (start[0] * norms[0] + start[1] * norms[1]) / 2;
    const targets = rates.map((rate) => mean * rate ** 1.5);
    const distance = (p: readonly number[]): number =>
      weights(p).reduce((sum, weight, k) => sum + Math.abs(weight * norms[k] - targets[k]), 0);
    const gradient = await numbers(weighting.logits.grad as Tensor);
    [0, 1].forEach((k) => {
      const shifted = (by: number): number[] => logits.map((value, index) => (index === k ? value + by : value));
      expect(gradient[k]).toBeCloseTo((distance(shifted(1e-5)) - distance(shifted(-1e-5))) / 2e-5, 4);
    });
  });
});

describe('router weights', () => {
  /** Trains a router [4, 2] alone against constant losses by gradient descent. */
  async function train(form: 'held' | 'published'): Promise<{ total: number; weights: number[] }> {
    const weighting = new RouterWeighting(form);
    const logits = engine.tensor(new Float32Array(8), [4, 2], { requiresGrad: true });
    let last: Objective | null = null;
    for (let step = 0; step < 400; step++) {
      last = objectiveOf(linearTasks(engine.tensor([1.2, 0.9]), [1, 0], [0, 1]), weighting, logits);
      const total = last;
      total.total.backward();
      const gradient = await numbers(logits.grad as Tensor);
      const now = await numbers(logits);
      logits.write(Float32Array.from(now, (value, index) => value - 5 * gradient[index]));
      logits.grad?.dispose();
      logits.grad = null;
    }
    const end = last as Objective;
    return { total: await end.total.item(), weights: await weightsOf(end) };
  }

  it('collapse as published: the total goes to 0 though no loss has changed', async () => {
    const { total, weights } = await train('published');
    expect(total).toBeLessThan(0.01);
    expect(Math.max(...weights)).toBeLessThan(0.01);
  });

  it('are held up by the barrier: each goes to 1 / loss, or 1 where the loss is below 1', async () => {
    const { weights } = await train('held');
    expect(weights[0]).toBeCloseTo(1 / 1.2, 2);
    expect(weights[1]).toBeGreaterThan(0.97);
  });

  it('are the mean probabilities of a task over its own rows', async () => {
    const logits = engine.tensor([0, 0, 2, 0, 0, 1, 0, 3], [4, 2]);
    const objective = objectiveOf(linearTasks(leaf([1, 1]), [1, 0], [0, 1]), new RouterWeighting('published'), logits);
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
    const [segmentation, classification] = await weightsOf(objective);
    expect(segmentation).toBeCloseTo(0.5, 6);
    expect(classification).toBeCloseTo((sigmoid(-2) + sigmoid(1) + sigmoid(3)) / 3, 6);
  });
});
