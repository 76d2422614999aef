/** Weights learned as uncertainties (Kendall et al. 2018). */
import type { Tensor } from '../../../engine/autograd/tensor.ts';
import { Parameter } from '../../../engine/nn/parameter.ts';
import { sumOf } from './tensors.ts';
import { taskIndex, type TaskTerm, type Weighted, Weighting, WEIGHTED_TASKS } from './weighting.ts';

/**
 * Homoscedastic uncertainty (Kendall, Gal and Cipolla 2018; in LibMTL's form): total = sum_k L_k / (2 e^s_k) + s_k / 2 with one learnt s_k
 * a task, log of its variance, at first -0.5. The second term keeps the weights e^-s / 2 from falling to 0.
 */
export class UncertaintyWeighting extends Weighting {
  readonly logVariance = new Parameter([WEIGHTED_TASKS.length], new Float32Array(WEIGHTED_TASKS.length).fill(-0.5));

  override combine(terms: readonly TaskTerm[]): Weighted {
    const logVariances = terms.map((term) => this.#of(term));
    const weights = logVariances.map((s) => s.neg().exp().mul(0.5));
    return {
      losses: terms.map(({ loss }, index) => loss.mul(weights[index].reshape([]))),
      extra: sumOf(logVariances.map((s) => s.reshape([]).mul(0.5))),
      weights: weights.map((weight) => weight.detach()),
    };
  }

  #of(term: TaskTerm): Tensor {
    const index = taskIndex(term);
    return this.logVariance.slice(0, index, index + 1);
  }
}
