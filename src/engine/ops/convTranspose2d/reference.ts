/** Transposed convolution in float64. */
import type { ConvolutionGeometry } from '../conv2d/geometry.ts';
import { finished, referenceGradInput } from '../conv2d/reference.ts';

/** relu?(the input gradient of the convolution of that geometry + bias). */
export function referenceConvTranspose2d(
  geometry: ConvolutionGeometry,
  x: Float64Array,
  weight: Float64Array,
  bias: Float64Array | undefined,
  relu: boolean,
): Float64Array {
  return finished(referenceGradInput(geometry, x, weight), bias, relu);
}
