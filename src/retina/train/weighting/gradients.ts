/** Weightings that look at each task's gradient: PCGrad and GradNorm. */
import type { Engine } from '../../../engine/autograd/engine.ts';
import type { Tensor } from '../../../engine/autograd/tensor.ts';
import * as F from '../../../engine/nn/functional.ts';
import { Parameter } from '../../../engine/nn/parameter.ts';
import { emaProgram, guardedScaleProgram } from '../../../engine/ops/optimizer/elementwise.ts';
import { constantVector } from './tensors.ts';
import { type TaskGradients, taskIndex, type TaskTerm, type Weighted, Weighting, WEIGHTED_TASKS } from './weighting.ts';

/** Keeps a quotient finite where a task's gradient vanishes. */
const TINY = 1e-20;

/**
 * PCGrad (Yu et al. 2020, "Gradient Surgery for Multi-Task Learning"): where the tasks' gradients on the trunk conflict (g1.g2 < 0), each
 * is projected onto the normal plane of the other, g_i -= (g_i.g_j / |g_j|^2) g_j, before they are added. With two tasks the order
 * in which the paper shuffles them does not matter.
 */
export class GradientSurgery extends Weighting {
  override readonly needsTaskGradients = true;

  override combine(terms: readonly TaskTerm[]): Weighted {
    return {
      losses: terms.map(({ loss }) => loss),
      extra: null,
      weights: terms.map(({ loss }) => constantVector(loss.engine, [1])),
    };
  }

  override adjust({ gradients: [first, second], dots }: TaskGradients): void {
    const { engine } = dots;
    // Both together: (1 + c / |g1|^2) g1 + (1 + c / |g2|^2) g2 with c = max(0, -g1.g2).
    const [scaleFirst, scaleSecond] = engine.noGrad(() => {
      const conflict = dots.slice(0, 0, 1).neg().relu();
      return [1, 2].map((index) => conflict.div(dots.slice(0, index, index + 1).add(TINY)).add(1));
    });
    const scale = (gradients: readonly (Tensor | null)[], factor: Tensor): void => {
      // In the shape of a gradient gate that is open.
      const gate = engine.noGrad(() => F.concat([factor, constantVector(engine, [0, 0, 0])], 0));
      for (const gradient of gradients) if (gradient) engine.run(guardedScaleProgram, [gradient, gate], {});
    };
    scale(first, scaleFirst);
    scale(second, scaleSecond);
  }
}

/**
 * GradNorm (Chen et al. 2018): weights w = K softmax(p) that bring the norms G_k = |w_k g_k| of the tasks' gradients on the trunk to
 * mean(G) * r_k^alpha, r_k = (L_k / L_k(0)) relative to its mean over the tasks: a task that trains slower gets the larger gradient. p learns by
 * the L1 distance, whose targets are constants; the network learns with w as constants.
 */
export class GradNormWeighting extends Weighting {
  override readonly needsTaskGradients = true;
  readonly logits = new Parameter([WEIGHTED_TASKS.length], new Float32Array(WEIGHTED_TASKS.length));
  readonly #alpha: number;
  /** Shape [2]: the losses of the first step. */
  readonly initialLosses = new Parameter([WEIGHTED_TASKS.length], new Float32Array(WEIGHTED_TASKS.length).fill(1), {
    buffer: true,
  });
  /** Shape [4]: 1 at the first step, which takes its losses over, then 0. */
  readonly #first: Tensor;

  constructor(engine: Engine, alpha: number) {
    super();
    this.#alpha = alpha;
    this.#first = engine.tensor(new Float32Array(4), [4]).keep();
  }

  override advance(step: number): void {
    this.#first.write(Float64Array.of(step === 0 ? 1 : 0, 0, 0, 0));
  }

  override combine(terms: readonly TaskTerm[]): Weighted {
    const all = this.logits.engine.noGrad(() => this.#weights());
    const weights = terms.map((term) => all.slice(0, taskIndex(term), taskIndex(term) + 1).detach());
    return { losses: terms.map(({ loss }, index) => loss.mul(weights[index].reshape([]))), extra: null, weights };
  }

  /** Shape [2]: K softmax(p). */
  #weights(): Tensor {
    return F.softmax(this.logits.reshape([1, 2]))
      .mul(2)
      .reshape([2]);
  }

  override adjust({ losses, dots }: TaskGradients): void {
    const { engine } = this.logits;
    const { norms, targets } = engine.noGrad(() => {
      engine.run(emaProgram, [this.initialLosses, losses, this.#first], {});
      const weightedNorms = dots.slice(0, 1, 3).sqrt();
      const rates = losses.div(this.initialLosses);
      const relative = rates.div(rates.mean());
      const target = weightedNorms.mean().mul(relative.add(TINY).log().mul(this.#alpha).exp());
      return { norms: weightedNorms.div(this.#weights()), targets: target };
    });
    const distance = this.#weights().mul(norms).sub(targets);
    distance.relu().add(distance.neg().relu()).sum().backward();
  }

  override dispose(): void {
    super.dispose();
    this.#first.dispose();
  }
}
