/** What binary cross entropy is set by. */

export interface BceAttributes {
  /** Whether a vector [C] of weights of the positive targets follows the targets. Default false. */
  readonly posWeight?: boolean;
  /** Whether sample weights [N] are the last input. Default false. */
  readonly sampleWeights?: boolean;
  /**
   * Default 'mean': over the elements of the weighed samples. 'sample': the mean of each sample by itself, [N]; it takes no sample
   * weights (multiply the result, which is differentiable in both).
   */
  readonly reduction?: 'mean' | 'sum' | 'sample';
  /** Focusing exponent of the focal loss (Lin et al. 2017), 0 or more. Default 0: plain cross entropy. */
  readonly gamma?: number;
  /** Focal balance: positives count alpha, negatives 1 - alpha. Default null: both count 1. */
  readonly alpha?: number | null;
}
