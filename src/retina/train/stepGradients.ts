/** The gradients of a micro-batch as values that can be summed, on the device or by several ranks, before anything is updated. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { accumulateProgram } from '../../engine/ops/accumulate/program.ts';

/** A gradient for each of some parameters; null where none reaches it. */
export type GradientList = readonly (Tensor | null)[];

/** What one micro-batch, or the sum of several, teaches. */
export interface StepGradients {
  /** By trained parameter. Where the tasks are kept apart, those on the shared parameters are of what belongs to neither task. */
  readonly all: GradientList;
  /** By task and shared parameter; null where the tasks are not kept apart. */
  readonly tasks: readonly [GradientList, GradientList] | null;
  /** Shape [2]: the tasks' losses over the number of micro-batches, whose sum is their mean; null where the tasks are not kept apart. */
  readonly losses: Tensor | null;
  /** Scalar: what was minimized, over the number of micro-batches. */
  readonly total: Tensor;
}

/** The gradients that parameters hold now; the parameters are left without. */
export function takeGradients(params: readonly { readonly tensor: Tensor }[]): (Tensor | null)[] {
  return params.map(({ tensor }) => {
    const { grad } = tensor;
    tensor.grad = null;
    return grad;
  });
}

/** Adds gradients to what the parameters hold, and takes them over. */
export function addGradients(
  engine: Engine,
  params: readonly { readonly tensor: Tensor }[],
  gradients: GradientList,
): void {
  gradients.forEach((gradient, index) => {
    const { tensor } = params[index];
    tensor.grad = sumOfTwo(engine, tensor.grad, gradient);
  });
}

/** Takes over both; where there are two, the sum is in the first's memory. */
function sumOfTwo(engine: Engine, left: Tensor | null, right: Tensor | null): Tensor | null {
  if (!left || !right) return left ?? right;
  engine.run(accumulateProgram, [left, right], {});
  right.dispose();
  return left;
}

/** Every tensor of some gradients in a fixed order, null where there is none. */
export function flatten({ all, tasks, losses, total }: StepGradients): (Tensor | null)[] {
  return [...all, ...(tasks ? [...tasks[0], ...tasks[1], losses] : []), total];
}

/** The opposite of {@link flatten}. @param like gradients of the same kind. */
export function unflatten(tensors: GradientList, like: Pick<StepGradients, 'all' | 'tasks'>): StepGradients {
  const { all, tasks } = like;
  const shared = tasks?.[0].length ?? 0;
  const first = all.length;
  return {
    all: tensors.slice(0, first),
    tasks: tasks && [tensors.slice(first, first + shared), tensors.slice(first + shared, first + 2 * shared)],
    losses: tasks && tensors[first + 2 * shared],
    total: tensors[tensors.length - 1] as Tensor,
  };
}

/**
 * Sums gradients in a fixed binary tree: the first half, of as many as the largest power of two below their number, and the rest, each
 * summed so. Whoever holds 2^k micro-batches in a row that begin at a multiple of 2^k holds a subtree, so that the sum over all does not
 * depend on how they were dealt out. At most log2(n) + 1 partial sums are held.
 */
export class GradientTree {
  readonly #engine: Engine;
  readonly #partial: { readonly leaves: number; readonly sum: StepGradients }[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Adds the next micro-batch's, and takes them over. */
  add(gradients: StepGradients): void {
    this.#partial.push({ leaves: 1, sum: gradients });
    while (this.#partial.length > 1 && this.#partial.at(-1)?.leaves === this.#partial.at(-2)?.leaves) this.#join();
  }

  /** The sum of all; the caller owns its tensors. */
  take(): StepGradients {
    while (this.#partial.length > 1) this.#join();
    const [last] = this.#partial.splice(0);
    return last.sum;
  }

  #join(): void {
    const [left, right] = this.#partial.splice(-2);
    const tensors = flatten(left.sum);
    const others = flatten(right.sum);
    const sums = tensors.map((tensor, index) => sumOfTwo(this.#engine, tensor, others[index]));
    this.#partial.push({ leaves: left.leaves + right.leaves, sum: unflatten(sums, left.sum) });
  }
}
