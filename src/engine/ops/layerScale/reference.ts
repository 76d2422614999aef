/** Layer scale and its gradient in float64. */
import type { NdArray } from '../definition.ts';
import { rowsOf } from './shape.ts';

/** residual + factor[n] * gamma[c] * x, each left out where it is not given. */
export function referenceScale(
  x: NdArray,
  gamma: NdArray | undefined,
  factor: NdArray | undefined,
  residual: NdArray | undefined,
): Float64Array {
  const { channels, rowsPerSample } = rowsOf(x.shape);
  return x.data.map((value, i) => {
    const scale = factor ? factor.data[Math.floor(i / channels / rowsPerSample)] : 1;
    return (residual ? residual.data[i] : 0) + scale * (gamma ? gamma.data[i % channels] : 1) * value;
  });
}

/** The gradient of gamma: the sum over rows of factor * gradOutput * x. */
export function referenceGradGamma(gradOutput: NdArray, x: NdArray, factor: NdArray | undefined): Float64Array {
  const { channels, rowsPerSample } = rowsOf(x.shape);
  const gradGamma = new Float64Array(channels);
  x.data.forEach((value, i) => {
    const scale = factor ? factor.data[Math.floor(i / channels / rowsPerSample)] : 1;
    gradGamma[i % channels] += scale * gradOutput.data[i] * value;
  });
  return gradGamma;
}
