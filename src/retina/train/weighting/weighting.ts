/** What a task weighting is: from the tasks' losses to the total that is minimized. */
import type { Tensor } from '../../../engine/autograd/tensor.ts';
import { Module } from '../../../engine/nn/module.ts';

/** The tasks whose losses are weighted against each other, in the order of every weight vector. */
export const WEIGHTED_TASKS = ['segmentation', 'classification'] as const;
export type WeightedTask = (typeof WEIGHTED_TASKS)[number];

/** One task's loss in a batch. */
export interface TaskTerm {
  readonly task: WeightedTask;
  /** Scalar; the configured fixed weight is in it already. */
  readonly loss: Tensor;
  /** The rows of the batch it is the mean over. */
  readonly rows: readonly number[];
}

export interface WeightingContext {
  /** Rows of the batch. */
  readonly rows: number;
  /** Shape [N, 2]: the gate's or router's logits. */
  readonly gateLogits: Tensor;
}

export interface Weighted {
  /** weight * loss of each term, in the terms' order: what the tasks backpropagate. */
  readonly losses: readonly Tensor[];
  /** What the weights themselves add to the total; null: nothing. */
  readonly extra: Tensor | null;
  /** [1] each, detached: the weights, for the log. */
  readonly weights: readonly Tensor[];
}

/** What is learnt about the tasks beside the network's own parameters. */
export interface WeightingState {
  readonly [name: string]: readonly number[];
}

/**
 * How task losses are weighted against each other: one instance a run. Its parameters are trained by the run's optimizer and are saved
 * with the optimizer's state.
 */
export abstract class Weighting extends Module {
  /** The step must give each task's gradient on the trunk separately. */
  readonly needsTaskGradients: boolean = false;

  /** Recorded once and replayed: what varies must come from tensors. */
  abstract combine(terms: readonly TaskTerm[], context: WeightingContext): Weighted;

  /**
   * Only where `needsTaskGradients`, and where the batch has both tasks: may change the tasks' gradients on the trunk in place, and
   * learn from them.
   */
  adjust(_gradients: TaskGradients): void {}

  /** On the host, before each step; not inside a capture. `step` counts from 0. */
  advance(_step: number): void {}

  /** On the host, with the mean unweighted losses of each finished epoch. */
  finishEpoch(_means: Readonly<Record<WeightedTask, number>>): void {}

  /** What a checkpoint keeps beside the parameters. */
  hostState(): WeightingState {
    return {};
  }

  restoreHostState(_state: WeightingState): void {}
}

/** The gradients of two tasks on the shared parameters, and their products: of a batch, or of all micro-batches of a step. */
export interface TaskGradients {
  /** [2], detached: each task's loss without its weight. */
  readonly losses: Tensor;
  /** For each of the two tasks one tensor a shared parameter; null where the task does not reach it. */
  readonly gradients: readonly [readonly (Tensor | null)[], readonly (Tensor | null)[]];
  /** [3], detached: g1.g2, g1.g1, g2.g2 over the whole trunk. */
  readonly dots: Tensor;
}

/** Index of a term's task in weight vectors. */
export function taskIndex({ task }: TaskTerm): number {
  return WEIGHTED_TASKS.indexOf(task);
}
