import type { Tensor } from '../autograd/tensor.ts';
import type { MultitaskOutput } from '../models/multitask.ts';
import * as F from '../nn/functional.ts';

/** Weights and variants of the multitask loss; see the `loss` section of the configuration. */
export interface ObjectiveOptions {
  readonly bceWeight: number;
  readonly diceWeight: number;
  readonly diceSmooth: number;
  readonly labelSmoothing: number;
  readonly gateWeight: number;
  readonly gateEntropyWeight: number;
  readonly segmentationWeight: number;
  readonly classificationWeight: number;
}

/** Constant tensors the losses read. */
export interface ObjectiveConstants {
  /** [5] */
  readonly posWeight: Tensor | null;
  /** [5] and [3] */
  readonly retinoWeights: Tensor | null;
  readonly edemaWeights: Tensor | null;
}

/** What the rows of a batch should come out as. */
export interface Targets {
  /** i32 [N]: each row's task, the gate's label. */
  readonly task: Tensor;
  /** f32 [rows with masks, H, W, 5]. */
  readonly masks: Tensor | null;
  /** i32 [graded rows], negative where a grade is unknown. */
  readonly retino: Tensor | null;
  readonly edema: Tensor | null;
}

/** Names of the parts, in the order of `parts`. */
export const LOSS_PARTS = [
  'total',
  'segmentation',
  'bce',
  'dice',
  'classification',
  'retino',
  'edema',
  'gate',
  'entropy',
] as const;
export type LossPart = (typeof LOSS_PARTS)[number];

/**
 * total = ws * (rows segmented / N) * [wb * BCE + wd * (1 - mean Dice)]
 *       + wc * (rows graded / N) * (CE retinopathy + CE edema) / 2
 *       + wg * CE gate + we * H(gate)
 *
 * as github.com/manish33scss/MultiClassModel_idrid weights it: each task by its share of the batch, Dice per sample and class. H is
 * the mean entropy of the gate's softmax in nats. Its weight is positive in the published system (0.01), which MINIMISES entropy: the
 * gate is pushed to be sure of itself. A negative weight would keep it undecided longer.
 *
 * A part whose rows are absent from the batch is a missing entry.
 */
export function objective(
  output: MultitaskOutput,
  targets: Targets,
  options: ObjectiveOptions,
  constants: ObjectiveConstants,
): { total: Tensor; parts: Partial<Record<LossPart, Tensor>> } {
  const [rows] = output.gateLogits.shape;
  const terms: Tensor[] = [];
  const parts: Partial<Record<LossPart, Tensor>> = {};
  const { maskLogits, retinoLogits, edemaLogits } = output;
  if (maskLogits && targets.masks) {
    const bce = F.bceWithLogits(maskLogits, targets.masks, { posWeight: constants.posWeight });
    const dice = F.softDiceLoss(maskLogits, targets.masks, { smooth: options.diceSmooth, perSample: true });
    const segmentation = bce.mul(options.bceWeight).add(dice.mul(options.diceWeight));
    terms.push(segmentation.mul((options.segmentationWeight * maskLogits.shape[0]) / rows));
    Object.assign(parts, { bce, dice, segmentation });
  }
  if (retinoLogits && edemaLogits && targets.retino && targets.edema) {
    const { labelSmoothing } = options;
    const retino = F.crossEntropy(retinoLogits, targets.retino, {
      labelSmoothing,
      classWeights: constants.retinoWeights,
    });
    const edema = F.crossEntropy(edemaLogits, targets.edema, { labelSmoothing, classWeights: constants.edemaWeights });
    const classification = retino.add(edema).mul(0.5);
    terms.push(classification.mul((options.classificationWeight * retinoLogits.shape[0]) / rows));
    Object.assign(parts, { retino, edema, classification });
  }
  const gate = F.crossEntropy(output.gateLogits, targets.task);
  const entropy = F.entropy(output.gateLogits);
  terms.push(gate.mul(options.gateWeight), entropy.mul(options.gateEntropyWeight));
  Object.assign(parts, { gate, entropy });
  const total = terms.reduce((sum, term) => sum.add(term));
  return { total, parts: { ...parts, total } };
}
