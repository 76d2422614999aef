/** What the soft Dice loss is set by, and the factors that kernels and reference make of it. */

export interface SoftDiceAttributes {
  /** Added to numerator and denominator. Default 0; 1e-5 in the per-sample Dice of the multitask baseline. */
  readonly smooth?: number;
  /** true (default): Dice of each class of each sample, then the mean. false: sums over the whole batch, as segmentation_models.pytorch. */
  readonly perSample?: boolean;
  /** Whether the first input holds logits (default) or probabilities. */
  readonly fromLogits?: boolean;
  /** Whether the denominator adds squares (V-Net, Milletari 2016). Default false. */
  readonly squaredDenominator?: boolean;
  /** Whether a class without positives (in the sample, or in the batch) gives loss 0, still counted in the mean. Default false. */
  readonly ignoreEmptyClasses?: boolean;
  /** Whether the classes share one sum, as if there were a single class: with perSample false, all is flattened together. Default false. */
  readonly flattenClasses?: boolean;
  /**
   * Tversky index (Salehi et al. 2017): weights of false positives and of false negatives, 0 or more. Default 0.5 and 0.5, which is Dice.
   * `smooth` stays Dice's, that is, twice what is added to I + alpha FP + beta FN.
   */
  readonly alpha?: number;
  readonly beta?: number;
  /** 'none' (with perSample, without sample weights): the loss of each class of each sample, [N, C]. Default 'mean'. */
  readonly reduction?: 'mean' | 'none';
}

/** What the denominator weighs intersection, predictions and targets with: see shaders/softDice/finish.wgsl. */
export function tverskyFactors({ alpha = 0.5, beta = 0.5 }: SoftDiceAttributes): {
  readonly kI: number;
  readonly kP: number;
  readonly kT: number;
} {
  return { kI: 2 * (1 - alpha - beta), kP: 2 * alpha, kT: 2 * beta };
}
