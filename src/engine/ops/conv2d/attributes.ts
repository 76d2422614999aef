/** What convolutions and their gradients are set by. */

/** [height, width], or whatever is given for the two image axes. */
export type Pair = readonly [number, number];

export interface ConvolutionAttributes {
  /** Default [1, 1]. */
  readonly stride?: Pair;
  /** Zeros put on both sides of each axis. Default [0, 0]. */
  readonly padding?: Pair;
  /** Default [1, 1]. */
  readonly dilation?: Pair;
  /** Default 1. */
  readonly groups?: number;
  /** Applied after the bias. Default 'none'. */
  readonly activation?: 'none' | 'relu';
}

/** Their kinds. */
export const CONVOLUTION_ATTRIBUTES = {
  stride: 'pair?',
  padding: 'pair?',
  dilation: 'pair?',
  groups: 'count?',
  activation: ['none', 'relu'],
} as const;

/** Of the input gradient: strides above 1 leave the input's size open, so it is said. */
export interface GradInputAttributes extends ConvolutionAttributes {
  readonly inputSize: Pair;
}

/** Of the weight gradient. */
export interface GradWeightAttributes extends ConvolutionAttributes {
  readonly kernel: Pair;
}
