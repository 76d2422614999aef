/** Depthwise convolution and its gradients in float64: those of the grouped convolution that it is, one group per channel. */
import type { ConvolutionGeometry } from '../conv2d/geometry.ts';
import { referenceForward, referenceGradInput, referenceGradWeight } from '../conv2d/reference.ts';
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

/** The gradient of the input, plus the addend where there is one. */
export function referenceDepthwiseGradInput(
  geometry: ConvolutionGeometry,
  gradOutput: NdArray,
  weight: NdArray,
  addend: NdArray | undefined,
): Float64Array {
  const gradient = referenceGradInput(geometry, gradOutput.data, weight.data);
  return addend ? gradient.map((value, i) => value + addend.data[i]) : gradient;
}

/** The gradients of weight and bias. */
export function referenceDepthwiseGradWeight(
  geometry: ConvolutionGeometry,
  x: NdArray,
  gradOutput: NdArray,
): Float64Array[] {
  return [referenceGradWeight(geometry, x.data, gradOutput.data), referenceSum(gradOutput, [0, 1, 2], 1)];
}
