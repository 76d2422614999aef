/**
 * The losses that are ops of their own, members of `functional`: of class logits [N, C], and of masks' logits [N, ..., C]. Those composed of small
 * ops stand in composites.ts. Each throws a `tensor/shape` error that names the op and the shapes when they do not fit.
 */
import { Tensor } from '../../autograd/tensor.ts';
import { checkAttributes, requireOptions } from '../../arguments.ts';
import { GmtlError, show } from '../../errors.ts';
import type { BceAttributes } from '../../ops/bceWithLogits/attributes.ts';
import { bceWithLogits as bceWithLogitsOp } from '../../ops/bceWithLogits/op.ts';
import type { CornAttributes } from '../../ops/corn/attributes.ts';
import { corn as cornOp } from '../../ops/corn/op.ts';
import type { CrossEntropyAttributes } from '../../ops/crossEntropy/attributes.ts';
import { crossEntropy as crossEntropyOp } from '../../ops/crossEntropy/op.ts';
import { entropy as entropyOp } from '../../ops/entropy/op.ts';
import { maskLoss as maskLossOp } from '../../ops/maskLoss/op.ts';
import { concat as concatOp } from '../../ops/movement/op.ts';
import type { SoftDiceAttributes } from '../../ops/softDice/attributes.ts';
import { softDice as softDiceOp } from '../../ops/softDice/op.ts';
import { apply, applyAll } from '../applyOp.ts';

/**
 * Softmax cross-entropy: logits [N, C], labels i32 [N] (negative: the row is ignored; C and above, which are not classes: the loss and the row's
 * gradients are NaN, since an error would have to wait for the device), class weights [C]. The mean is weighted as
 * in torch.nn.functional.cross_entropy; it is 0 where all rows are ignored. Reduction 'none' gives one loss per row, [N], 0 where ignored:
 * multiply it by weights to weigh the rows, which is differentiable in the weights too.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyAttributes & { readonly classWeights?: Tensor | null } = {},
): Tensor {
  requireOptions('crossEntropy', options);
  const { classWeights, ...attributes } = options;
  return apply(crossEntropyOp, [logits, labels, classWeights], attributes);
}

/**
 * CORN loss of ordinal grades, a scalar: logits [N, K - 1], labels i32 [N] in 0 .. K - 1 (negative: the row is ignored; others: NaN), as corn_loss of
 * coral_pytorch (Shi, Cao and Raschka 2021, arXiv 2111.08851). 'none' gives each row's mean over its tasks, [N], 0 where ignored.
 * Probabilities: {@link cornProbabilities}, or on the host that of src/engine/nn/losses/corn.ts.
 */
export function cornLoss(logits: Tensor, labels: Tensor, options: CornAttributes = {}): Tensor {
  return apply(cornOp, [logits, labels], options);
}

/**
 * Probabilities of the grades [N, K] from CORN logits [N, K - 1]: P(y = k) = (1 - sigmoid(logit k)) times the sigmoids of the logits before k.
 * Composed of small ops, differentiable.
 */
export function cornProbabilities(logits: Tensor): Tensor {
  if (!(logits instanceof Tensor) || logits.shape.length !== 2)
    throw new GmtlError('ops/inputs', `cornProbabilities: logits are ${show(logits)}; they are a tensor [N, K - 1]`);
  const [above, below] = [logits.sigmoid(), logits.neg().sigmoid()];
  const tasks = logits.shape[1];
  let reached = above.slice(1, 0, 1);
  const columns = [below.slice(1, 0, 1)];
  for (let k = 1; k < tasks; k++) {
    columns.push(reached.mul(below.slice(1, k, k + 1)));
    reached = reached.mul(above.slice(1, k, k + 1));
  }
  return apply(concatOp, [...columns, reached], { axis: 1 });
}

/** Mean over rows of the entropy (nats) of softmax(logits), a scalar: logits [N, C], sample weights [N] (the mean is weighted by them). */
export function entropy(logits: Tensor, sampleWeights?: Tensor | null): Tensor {
  return apply(entropyOp, [logits, sampleWeights], {});
}

/** Options of {@link bceWithLogits}; their tensors get no gradient. */
export type BceOptions = Omit<BceAttributes, 'posWeight' | 'sampleWeights'> & {
  /** Shape [C]: multiplies the positive targets' term. */
  readonly posWeight?: Tensor | null;
  /** Shape [N]: samples of weight 0 are ignored. Not with reduction 'sample'. */
  readonly sampleWeights?: Tensor | null;
};

/**
 * Binary cross-entropy of sigmoid(logits), a scalar: logits and targets [N, ..., C] (torch.nn.functional.binary_cross_entropy_with_logits).
 * With `gamma` (and `alpha`) the focal loss, as torchvision.ops.sigmoid_focal_loss (Lin et al. 2017). With reduction 'sample' the mean of each
 * sample, [N]: multiply it by weights to weigh the samples, which is differentiable in the weights too.
 */
export function bceWithLogits(logits: Tensor, targets: Tensor, options: BceOptions = {}): Tensor {
  requireOptions('bceWithLogits', options);
  const { posWeight, sampleWeights, ...attributes } = options;
  return apply(bceWithLogitsOp, [logits, targets, posWeight, sampleWeights], {
    ...attributes,
    posWeight: posWeight != null,
    sampleWeights: sampleWeights != null,
  });
}

/**
 * Focal loss of sigmoid(logits) (Lin et al. 2017, torchvision.ops.sigmoid_focal_loss): {@link bceWithLogits} by another name, with gamma 2 and
 * alpha null (no balance) unless given, and the mean over elements.
 */
export function focalWithLogits(logits: Tensor, targets: Tensor, options: BceOptions = {}): Tensor {
  requireOptions('focalWithLogits', options);
  return bceWithLogits(logits, targets, { ...options, gamma: options.gamma ?? 2 });
}

/** Named conventions of the soft Dice loss; see {@link softDiceLoss}. */
const DICE_FORMS = {
  sample: { perSample: true },
  batch: { perSample: false, flattenClasses: true, smooth: 1e-6 },
  smp: { perSample: false, ignoreEmptyClasses: true, smooth: 0 },
} as const satisfies Record<string, SoftDiceAttributes>;

/** The conventions that {@link softDiceLoss} knows. */
export type DiceForm = keyof typeof DICE_FORMS;

/** Options of {@link softDiceLoss}. */
export type SoftDiceOptions = Omit<SoftDiceAttributes, 'reduction'> & {
  readonly form?: DiceForm;
  /** Default 'mean', a scalar; 'sample' (form 'sample' only): the mean over the classes of each sample, [N]. */
  readonly reduction?: 'mean' | 'sample';
};

/**
 * 1 - soft Dice of sigmoid(logits), a scalar: logits and targets [N, ..., C]. `form` names what is summed before dividing:
 * - 'sample' (default): the pixels of each class of each sample, then the mean over samples and classes; smooth 0 unless given.
 * - 'batch': all pixels of all classes and samples, flattened together; smooth 1e-6.
 * - 'smp': each class over the batch, then the mean over classes, of which those without positives in the batch give 0; smooth 0, the
 *   denominator at least 1e-7. DiceLoss(mode='multilabel') of segmentation_models.pytorch.
 * Options given beside it override the form's own. `alpha` and `beta` weigh false positives and false negatives (Salehi et al.
 * 2017) in any form. Multiply the result of reduction 'sample' by weights to weigh the samples, which is differentiable in the weights too.
 */
export function softDiceLoss(logits: Tensor, targets: Tensor, options: SoftDiceOptions = {}): Tensor {
  requireOptions('softDiceLoss', options);
  checkAttributes('softDiceLoss', { reduction: ['mean', 'sample'] }, { reduction: options.reduction });
  const { form, reduction = 'mean', ...rest } = options;
  const attributes = diceAttributes(form, rest);
  if (reduction === 'mean') return apply(softDiceOp, [logits, targets], attributes);
  return apply(softDiceOp, [logits, targets], { ...attributes, reduction: 'none' }).mean([1]);
}

function diceAttributes<A extends SoftDiceAttributes>(form: DiceForm = 'sample', options: A): A {
  if (!Object.hasOwn(DICE_FORMS, form))
    throw new GmtlError(
      'ops/attribute',
      `softDiceLoss: form is ${show(form)}; it takes ${Object.keys(DICE_FORMS).join(', ')}`,
    );
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...DICE_FORMS[form], ...given } as A;
}

/** Options of {@link maskLoss}. */
export interface MaskLossOptions extends Pick<SoftDiceAttributes, 'smooth' | 'alpha' | 'beta'> {
  readonly bceWeight: number;
  readonly diceWeight: number;
  /** Shape [C]: multiplies the positive targets' term of the cross-entropy. */
  readonly posWeight?: Tensor | null;
  readonly form?: DiceForm;
}

/**
 * bceWeight * {@link bceWithLogits} + diceWeight * {@link softDiceLoss} of the same logits and targets [N, ..., C], in one walk over the data
 * forward and one backward. Only `loss` is differentiable; `bce` and `dice` are its parts for reports, unweighted.
 */
export function maskLoss(
  logits: Tensor,
  targets: Tensor,
  options: MaskLossOptions,
): { loss: Tensor; bce: Tensor; dice: Tensor } {
  requireOptions('maskLoss', options);
  const { posWeight, form, ...attributes } = options;
  const inputs = [logits, targets, posWeight];
  const [loss, bce, dice, coefficients] = applyAll(maskLossOp, inputs, diceAttributes(form, attributes));
  coefficients.dispose();
  return { loss, bce, dice };
}
