/** What a transposed convolution is set by. */
import type { ConvolutionAttributes, Pair } from '../conv2d/attributes.ts';

export interface TransposedAttributes extends ConvolutionAttributes {
  /** Rows and columns added at the bottom and right, which a stride above 1 leaves open. Default [0, 0]. */
  readonly outputPadding?: Pair;
}
