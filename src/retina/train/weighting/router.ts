/** Weights from the router network. */
import * as F from '../../../engine/nn/functional.ts';
import { sumOf } from './tensors.ts';
import { taskIndex, type TaskTerm, type Weighted, Weighting, type WeightingContext } from './weighting.ts';

/**
 * Weights from the router network (github.com/AnGoraGou/MultiTask_IDRID): w_k is the mean over the rows of task k of the router's softmax
 * for task k.
 *
 * published: total = sum_k w_k L_k. The router minimizes it by giving each task's rows to the other task: both weights, and the total
 * with them, go to 0 while nothing is learnt.
 *
 * held: total = sum_k w_k L_k - log w_k. The barrier is the normalizer of a likelihood whose precision is w (as in Kendall et al. 2018): its
 * gradient L_k - 1 / w_k pushes w_k up wherever w_k < 1 / L_k, so that no weight can fall to 0, and a task with a smaller loss gets the
 * larger weight.
 */
export class RouterWeighting extends Weighting {
  readonly #form: 'held' | 'published';

  constructor(form: 'held' | 'published') {
    super();
    this.#form = form;
  }

  override combine(terms: readonly TaskTerm[], { gateLogits }: WeightingContext): Weighted {
    const probabilities = F.softmax(gateLogits);
    const weights = terms.map((term) => {
      const index = taskIndex(term);
      return F.selectRows(probabilities, term.rows)
        .slice(1, index, index + 1)
        .mean();
    });
    return {
      losses: terms.map(({ loss }, index) => loss.mul(weights[index])),
      // A softmax in float32 can be 0; its logarithm would not be finite.
      // A softmax in float32 can be 0, whose logarithm would not be finite.
      extra: this.#form === 'held' ? sumOf(weights.map((weight) => weight.add(1e-30).log().neg())) : null,
      weights: weights.map((weight) => weight.detach().reshape([1])),
    };
  }
}
