/** What a matrix product is set by. */

/** What a product may end in. */
export type Activation = 'none' | 'relu' | 'gelu';

export interface MatmulAttributes {
  /** a is stored (...batch, K, M). Default false: (...batch, M, K). */
  readonly transposeA?: boolean;
  /** b is stored (...batch, N, K), as PyTorch's Linear weights are. Default false: (...batch, K, N). */
  readonly transposeB?: boolean;
  /** Applied after the bias. gelu is the exact (erf) form. Default 'none'. */
  readonly activation?: Activation;
  /** Element type of the output; left out: that of a and b. Weight gradients of float16 activations are f32. */
  readonly result?: 'f32';
}
