/** Weightings by formula: equal, by counts, dynamic weight average. */
import type { Tensor } from '../../../engine/autograd/tensor.ts';
import type { Engine } from '../../../engine/autograd/engine.ts';
import { constantVector } from './tensors.ts';
import {
  taskIndex,
  type TaskTerm,
  type Weighted,
  WEIGHTED_TASKS,
  type WeightedTask,
  Weighting,
  type WeightingContext,
  type WeightingState,
} from './weighting.ts';

function scaled(terms: readonly TaskTerm[], factors: readonly number[]): Weighted {
  return {
    losses: terms.map(({ loss }, index) => (factors[index] === 1 ? loss : loss.mul(factors[index]))),
    extra: null,
    weights: terms.map(({ loss }, index) => constantVector(loss.engine, [factors[index]])),
  };
}

/** total = sum_k L_k (LibMTL's EW). */
export class EqualWeighting extends Weighting {
  override combine(terms: readonly TaskTerm[]): Weighted {
    return scaled(
      terms,
      terms.map(() => 1),
    );
  }
}

/** total = sum_k (rows of task k / rows of the batch) L_k, as github.com/manish33scss/MultiClassModel_idrid weights its two losses. */
export class CountWeighting extends Weighting {
  override combine(terms: readonly TaskTerm[], { rows }: WeightingContext): Weighted {
    return scaled(
      terms,
      terms.map((term) => term.rows.length / rows),
    );
  }
}

/**
 * Dynamic weight average (Liu et al. 2019, "End-to-End Multi-Task Learning with Attention", eq. 7): after epoch t,
 * w_k = K softmax(r / T)_k with r_k = L_k(t - 1) / L_k(t - 2), the ratio of the last two epochs' mean losses; 1 in the first two epochs.
 */
export class DynamicWeightAverage extends Weighting {
  readonly #temperature: number;
  readonly #weights: Tensor;
  /** Mean losses of the last two epochs, the older first. */
  #history: (readonly number[])[] = [];

  constructor(engine: Engine, temperature: number) {
    super();
    this.#temperature = temperature;
    this.#weights = engine.tensor(new Float32Array(WEIGHTED_TASKS.length).fill(1), [WEIGHTED_TASKS.length]).keep();
  }

  override combine(terms: readonly TaskTerm[]): Weighted {
    const weights = terms.map((term) => this.#weights.slice(0, taskIndex(term), taskIndex(term) + 1));
    return { losses: terms.map(({ loss }, index) => loss.mul(weights[index].reshape([]))), extra: null, weights };
  }

  override finishEpoch(means: Readonly<Record<WeightedTask, number>>): void {
    this.#history = [...this.#history, WEIGHTED_TASKS.map((task) => means[task])].slice(-2);
    this.#write();
  }

  override hostState(): WeightingState {
    return Object.fromEntries(this.#history.map((means, index) => [`epoch${index}`, means]));
  }

  override restoreHostState(state: WeightingState): void {
    this.#history = Object.keys(state)
      .sort()
      .map((name) => state[name]);
    this.#write();
  }

  #write(): void {
    const [older, newer] = this.#history;
    if (newer) this.#weights.write(Float64Array.from(dynamicWeights(older, newer, this.#temperature)));
  }

  override dispose(): void {
    super.dispose();
    this.#weights.dispose();
  }
}

/** w_k = K softmax(r / T)_k, r_k = newer_k / older_k. A task without losses, or whose loss was 0, counts as r = 1. */
export function dynamicWeights(older: readonly number[], newer: readonly number[], temperature: number): number[] {
  const ratios = newer.map((loss, task) => {
    const ratio = loss / older[task];
    return Number.isFinite(ratio) ? ratio : 1;
  });
  const highest = Math.max(...ratios);
  const exponentials = ratios.map((ratio) => Math.exp((ratio - highest) / temperature));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => (ratios.length * value) / sum);
}
