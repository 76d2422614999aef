/** Softmax and its logarithm by name. */

export type SoftmaxName = 'softmax' | 'logSoftmax';
