/** What batch normalization is set by. */

export interface BatchNormAttributes {
  /** Whether to normalize with the batch's statistics and update the running ones, or with the running ones. */
  readonly training: boolean;
  /** Added to the variance inside the square root. Default 1e-5, as PyTorch. */
  readonly eps?: number;
  /** Share of the batch's statistics in the new running ones. Default 0.1, as PyTorch. */
  readonly momentum?: number;
  /** Applied to the result, after the residual is added. Default `none`. */
  readonly activation?: 'none' | 'relu';
}
