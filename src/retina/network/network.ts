/** What the multitask networks have in common: trunk, gate, experts and their outputs. */
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { Lambda, Sequential } from '../../engine/nn/container.ts';
import { Linear } from '../../engine/nn/linear.ts';
import { Module } from '../../engine/nn/module.ts';
import type { RandomSource } from '../../engine/nn/randomSource.ts';
import { GRADE_COUNTS, type GradedTask } from '../domain.ts';

/** Storage of activations. */
export type Precision = 'f32' | 'f16';

/** Which grades a network predicts. */
export type GradeHeads = 'both' | 'retinopathy' | 'edema';

/**
 * What the grading heads see: the pooled features of the last stage; those of every stage (StagePool); these and the
 * masks' findings; or the findings alone.
 */
export type GradeFeatures = 'pooled' | 'stages' | 'findings' | 'masks';

/** What the gate sees: the pooled features of the last stage, or what the masks find alone, which it does not teach. */
export type GateFeatures = 'pooled' | 'masks';

/** Options that every multitask network takes. */
export interface HeadOptions {
  /** Structures to segment: output maps of the mask head. */
  readonly masks: number;
  readonly grades: GradeHeads;
  /** Whether grading heads give K - 1 logits of "grade above k" (CORN) instead of K class logits. */
  readonly ordinal: boolean;
  /** Default: pooled. */
  readonly gradeFeatures?: GradeFeatures;
  /** Default: pooled. */
  readonly gateFeatures?: GateFeatures;
}

/** Whether gate or grading heads see the pooled features of the last stage; where none does, a norm of them would learn nothing. */
export function readsPooled({
  gradeFeatures = 'pooled',
  gateFeatures = 'pooled',
}: Pick<HeadOptions, 'gradeFeatures' | 'gateFeatures'>): boolean {
  return gradeFeatures === 'pooled' || gateFeatures === 'pooled';
}

/** Which rows of a batch each expert gets. Row numbers; a row may be in both or in neither. */
export interface Routes {
  readonly segmentation: readonly number[];
  readonly classification: readonly number[];
}

export interface Encoded {
  /** Feature maps, finest first. */
  readonly features: readonly Tensor[];
  /** [N, C] */
  readonly pooled: Tensor;
  /** Mask logits [N, H, W, masks] of every row, where the gate reads them; else null: experts decode the rows that they need. */
  readonly masks: Tensor | null;
  /** Shape [N, 2]: segmentation, classification. */
  readonly gateLogits: Tensor;
}

/** The experts' outputs for their rows. */
export interface ExpertOutput {
  /** [rows routed to segmentation, H, W, masks]; null where there are none. */
  readonly maskLogits: Tensor | null;
  /** [rows routed to classification, 5 (ordinal: 4)] and [..., 3 (2)]; null where there are none or the network has no such head. */
  readonly retinopathyLogits: Tensor | null;
  readonly edemaLogits: Tensor | null;
}

/** What a multitask network says of a batch. */
export interface MultitaskOutput extends ExpertOutput {
  readonly gateLogits: Tensor;
}

/**
 * A network with a shared trunk, a gate (or router) of two outputs, a segmentation expert and a classification expert. Experts
 * without rows are not run.
 */
export abstract class MultitaskNet extends Module {
  /**
   * Prefix of the names of the parameters that both tasks share. A mask decoder whose findings are graded gets gradients of both too, but is
   * not counted.
   */
  abstract readonly trunkPrefix: string;
  /** Output maps of the mask head. */
  abstract readonly masks: number;
  /** Whether grading heads give ordinal logits. */
  abstract readonly ordinal: boolean;
  /** The logit that the untrained mask head gives; `blendExperts` moves mask logits towards it where the gate gives segmentation a low probability. */
  abstract readonly maskPriorLogit: number;
  /** Seeds every dropout of the network. */
  abstract readonly random: RandomSource;

  /**
   * How activations are stored from the image to the last maps; parameters, pooled features, all logits and what is computed from them
   * are float32 in either case. The residual stream and the gradients between ops are float16 too. Set it before anything is recorded.
   */
  precision: Precision = 'f32';

  /**
   * The shared part: x [N, H, W, 3], normalized, to features, pooled features and the gate's logits [N, 2] (segmentation,
   * classification).
   */
  abstract encode(x: Tensor): Encoded;

  /**
   * Runs each expert on the rows of the batch that `routes` names, and not at all where it has none: mask logits [rows, height, width, structures], grade
   * logits [rows, grades] (one fewer where they are ordinal).
   */
  abstract experts(encoded: Encoded, routes: Routes, height: number, width: number): ExpertOutput;

  /** Trunk, gate, and the experts along given routes: `encode` and `experts` in one. x is [N, H, W, 3], normalized; masks come in its height and width. */
  forward(x: Tensor, routes: Routes): MultitaskOutput {
    const [, height, width] = x.shape;
    return x.engine.scope(() => {
      const encoded = this.encode(x);
      return { gateLogits: encoded.gateLogits, ...this.experts(encoded, routes, height, width) };
    });
  }

  override dispose(): void {
    super.dispose();
    this.random.dispose();
  }
}

/** Outputs of a grading head. */
export function gradeOutputs(task: GradedTask, ordinal: boolean): number {
  return GRADE_COUNTS[task] - (ordinal ? 1 : 0);
}

/** Linear - ReLU - Dropout - Linear, numbered as the published model's Sequential (0 and 3 have weights). */
export function perceptron(
  inputs: number,
  hidden: number,
  outputs: number,
  dropout: number,
  random: RandomSource,
): Sequential {
  return new Sequential(
    new Linear(inputs, hidden, { activation: 'relu' }), // index 0 and, fused, index 1
    new Lambda((x) => x),
    dropoutLayer(dropout, random),
    new Linear(hidden, outputs),
  );
}

/** Dropout in training; nothing in evaluation. */
export function dropoutLayer(p: number, random: RandomSource): Lambda {
  return inTraining(p > 0 ? random.dropout(p) : null);
}

/** Dropout of whole channels of maps in training; nothing in evaluation. */
export function dropout2dLayer(p: number, random: RandomSource): Lambda {
  return inTraining(p > 0 ? random.dropout2d(p) : null);
}

function inTraining(drop: ((x: Tensor) => Tensor) | null): Lambda {
  const layer: Lambda = new Lambda((x) => (layer.training && drop ? drop(x) : x));
  return layer;
}
