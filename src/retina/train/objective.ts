/** The multitask loss: its parts, how they are weighted, and what is minimized. */
import type { Tensor } from '../../engine/autograd/tensor.ts';
import type { MultitaskOutput, Routes } from '../network/network.ts';
import * as F from '../../engine/nn/functional.ts';
import type { TrainConfig } from '../config/schema.ts';
import { sumOf } from './weighting/tensors.ts';
import type { TaskTerm, Weighted, Weighting } from './weighting/weighting.ts';

/** Weights and variants of the multitask loss; see the `loss` section of the configuration. */
export type ObjectiveOptions = Pick<
  TrainConfig['loss'],
  | 'bceWeight'
  | 'diceWeight'
  | 'diceSmooth'
  | 'diceForm'
  | 'tverskyAlpha'
  | 'tverskyBeta'
  | 'focalGamma'
  | 'focalAlpha'
  | 'gradeLoss'
  | 'labelSmoothing'
  | 'gateWeight'
  | 'gateEntropyWeight'
  | 'segmentationWeight'
  | 'classificationWeight'
>;

/** Constant tensors the losses read. */
export interface ObjectiveConstants {
  /** [masks] */
  readonly posWeight: Tensor | null;
  /** [5] and [3] */
  readonly retinopathyWeights: Tensor | null;
  readonly edemaWeights: Tensor | null;
}

/** What the rows of a batch should come out as. */
export interface Targets {
  /** i32 [N]: each row's task, the gate's label. */
  readonly task: Tensor;
  /** f32 [rows with masks, H, W, masks]. */
  readonly masks: Tensor | null;
  /** i32 [graded rows], negative where a grade is unknown. */
  readonly retinopathy: Tensor | null;
  readonly edema: Tensor | null;
}

/** Names of the parts, in the order of `parts`. */
export const LOSS_PARTS = [
  'total',
  'segmentation',
  'bce',
  'dice',
  'classification',
  'retinopathy',
  'edema',
  'gate',
  'entropy',
] as const;
export type LossPart = (typeof LOSS_PARTS)[number];

export interface Objective {
  /** What is minimized: the weighted tasks, what their weights add, and the gate. */
  readonly total: Tensor;
  readonly terms: readonly TaskTerm[];
  readonly weighted: Weighted;
  /** The part of the total that belongs to neither task: the gate, and what the weights add. */
  readonly rest: Tensor | null;
  readonly parts: Partial<Record<LossPart, Tensor>>;
}

/**
 * L_segmentation = ws * [wb * BCE + wd * (1 - Dice)], L_classification = wc * mean of the losses of the grading heads;
 * total = weighting(L_segmentation, L_classification) + wg * CE gate + we * H(gate)
 *
 * H is the mean entropy of the gate's softmax in nats. Its weight is positive in the published gated system (0.01), which MINIMISES
 * entropy: the gate is pushed to be sure of itself. A negative weight would keep it undecided longer.
 *
 * A part whose rows are absent from the batch is a missing entry.
 *
 * @param trainGate false: the gate's own terms are reported but not minimized.
 */
export function objective(
  output: MultitaskOutput,
  targets: Targets,
  routes: Routes,
  options: ObjectiveOptions,
  constants: ObjectiveConstants,
  weighting: Weighting,
  trainGate = true,
): Objective {
  const parts: Partial<Record<LossPart, Tensor>> = {};
  const terms: TaskTerm[] = [];
  if (output.maskLogits && targets.masks) {
    const { bce, dice, segmentation } = maskLosses(output.maskLogits, targets.masks, options, constants);
    Object.assign(parts, { bce, dice, segmentation });
    const loss = segmentation.mul(options.segmentationWeight);
    terms.push({ task: 'segmentation', loss, rows: routes.segmentation });
  }
  const retinopathy = gradeLoss(output.retinopathyLogits, targets.retinopathy, constants.retinopathyWeights, options);
  const edema = gradeLoss(output.edemaLogits, targets.edema, constants.edemaWeights, options);
  const grades = [retinopathy, edema].filter((loss) => loss !== null);
  if (grades.length > 0) {
    const classification = grades.reduce((sum, loss) => sum.add(loss)).mul(1 / grades.length);
    Object.assign(parts, { ...(retinopathy && { retinopathy }), ...(edema && { edema }), classification });
    const loss = classification.mul(options.classificationWeight);
    terms.push({ task: 'classification', loss, rows: routes.classification });
  }
  const gate = F.crossEntropy(output.gateLogits, targets.task);
  const entropy = F.entropy(output.gateLogits);
  const [rows] = output.gateLogits.shape;
  const weighted = weighting.combine(terms, { rows, gateLogits: output.gateLogits });
  const gateTerms = trainGate ? [gate.mul(options.gateWeight), entropy.mul(options.gateEntropyWeight)] : [];
  const rest = sumOf([...(weighted.extra ? [weighted.extra] : []), ...gateTerms]);
  const total = [...weighted.losses, ...(rest ? [rest] : [])].reduce((sum, term) => sum.add(term));
  return { total, terms, weighted, rest, parts: { ...parts, gate, entropy, total } };
}

/** Both parts in one pass over the masks; one by one where the cross-entropy is focal, which the pass does not have. */
function maskLosses(
  logits: Tensor,
  masks: Tensor,
  options: ObjectiveOptions,
  { posWeight }: ObjectiveConstants,
): { bce: Tensor; dice: Tensor; segmentation: Tensor } {
  const { bceWeight, diceWeight, focalGamma: gamma, focalAlpha: alpha } = options;
  const { diceSmooth: smooth, diceForm: form, tverskyAlpha, tverskyBeta: beta } = options;
  const ofDice = { form, smooth, alpha: tverskyAlpha, beta };
  if (gamma === 0 && alpha === null) {
    const { loss, bce, dice } = F.maskLoss(logits, masks, { bceWeight, diceWeight, posWeight, ...ofDice });
    return { bce, dice, segmentation: loss };
  }
  const bce = F.bceWithLogits(logits, masks, { posWeight, gamma, alpha });
  const dice = F.softDiceLoss(logits, masks, ofDice);
  return { bce, dice, segmentation: bce.mul(bceWeight).add(dice.mul(diceWeight)) };
}

function gradeLoss(
  logits: Tensor | null,
  labels: Tensor | null,
  classWeights: Tensor | null,
  { gradeLoss: kind, labelSmoothing }: ObjectiveOptions,
): Tensor | null {
  if (!logits || !labels) return null;
  return kind === 'corn'
    ? F.cornLoss(logits, labels)
    : F.crossEntropy(logits, labels, { labelSmoothing, classWeights });
}
