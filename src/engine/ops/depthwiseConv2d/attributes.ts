/** What depthwise convolution and its gradients are set by. */
import type { ConvolutionAttributes, Pair } from '../conv2d/attributes.ts';

export type DepthwiseAttributes = Pick<ConvolutionAttributes, 'stride' | 'padding' | 'dilation'>;

export interface DepthwiseGradInputAttributes extends DepthwiseAttributes {
  readonly inputSize: Pair;
}

export interface DepthwiseGradWeightAttributes extends DepthwiseAttributes {
  readonly kernel: Pair;
}
