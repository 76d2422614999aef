/** The second half of a ConvNeXt block and its gradient in float64. */
import type { NdArray } from '../definition.ts';
import { referenceGradWeight, referenceMatmul } from '../matmul/reference.ts';
import { unaryDerivative, unaryFunction } from '../unary/reference.ts';

/** An array as a matrix of rows along its last axis. */
function rows({ shape, data }: NdArray): NdArray {
  const columns = shape.at(-1) ?? 1;
  return { shape: [data.length / columns, columns], data };
}

/** [output, s], s the sums of the first layer. */
export function referenceMlp([
  residual,
  x,
  weight1,
  bias1,
  weight2,
  bias2,
  gamma,
  factor,
]: readonly NdArray[]): Float64Array[] {
  const [hidden, sums] = referenceMatmul([rows(x), weight1, bias1], { transposeB: true, activation: 'gelu' });
  const widened = { shape: [hidden.length / weight1.shape[0], weight1.shape[0]], data: hidden };
  const [branch] = referenceMatmul([widened, weight2, bias2], { transposeB: true });
  const channels = gamma.data.length;
  const perSample = branch.length / x.shape[0];
  const output = residual.data.map((value, i) => {
    const scale = factor ? factor.data[Math.floor(i / perSample)] : 1;
    return value + scale * gamma.data[i % channels] * branch[i];
  });
  return [output, sums];
}

/** (gradient, s, weight2, bias2, gamma) → the gradients of s, weight2, bias2 and gamma, the last from the branch itself. */
export function referenceMlpBackward([gradient, sums, weight, bias, gamma]: readonly NdArray[]): Float64Array[] {
  const hidden = { shape: sums.shape, data: sums.data.map((value) => unaryFunction('gelu', value, {})) };
  const scaled = gradient.data.map((value, i) => value * gamma.data[i % gamma.data.length]);
  const [gradHidden] = referenceMatmul([rows({ shape: gradient.shape, data: scaled }), weight], {});
  const [product, gradientSums] = referenceGradWeight(rows(gradient), rows(hidden));
  const [branch] = referenceMatmul([rows(hidden), weight, bias], { transposeB: true });
  const [channels, width] = weight.shape;
  const gradGamma = new Float64Array(channels);
  branch.forEach((value, i) => {
    gradGamma[i % channels] += value * gradient.data[i];
  });
  return [
    gradHidden.map((value, i) => value * unaryDerivative('gelu', sums.data[i], {})),
    product.map((value, i) => value * gamma.data[Math.floor(i / width)]),
    gradientSums.map((value, i) => value * gamma.data[i]),
    gradGamma,
  ];
}
