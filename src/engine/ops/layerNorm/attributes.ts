/** What layer normalization is set by. */

export interface LayerNormAttributes {
  /** Added to the variance inside the square root: 1e-6 in ConvNeXt, 1e-5 by PyTorch's default. */
  readonly eps: number;
}
