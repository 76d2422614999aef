/** Depthwise convolution and its gradients in float64: those of the grouped convolution that it is, one group per channel. */
import type { ConvolutionGeometry } from '../conv2d/geometry.ts';
import { referenceForward, referenceGradWeight } from '../conv2d/reference.ts';
import type { NdArray } from '../definition.ts';
import { referenceSum } from '../reduce/reference.ts';

/** x * weight + bias. */
export function referenceDepthwise(
  geometry: ConvolutionGeometry,
  x: NdArray,
  weight: NdArray,
  bias: NdArray | undefined,
): Float64Array {
  return referenceForward(geometry, x.data, weight.data, bias?.data, false);
}

/** The gradients of weight and bias. */
export function referenceDepthwiseGradWeight(
  geometry: ConvolutionGeometry,
  x: NdArray,
  gradOutput: NdArray,
): Float64Array[] {
  return [referenceGradWeight(geometry, x.data, gradOutput.data), referenceSum(gradOutput, [0, 1, 2], 1)];
}
