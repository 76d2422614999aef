/** The programs of transposed convolution: shapes, plans and cost. */
import { imageHint, requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape } from '../../tensor/spec.ts';
import { convolutionFlops, type ConvolutionGeometry, inputShape, requireBias, settle } from '../conv2d/geometry.ts';
import { gatherVersions, gatherKernels } from '../conv2d/plan.ts';
import { planTransposed, transposedGeometry } from '../conv2d/program.ts';
import { CONVOLUTION_ATTRIBUTES, type Pair } from '../conv2d/attributes.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { defineProgram } from '../definition.ts';
import type { TransposedAttributes } from './attributes.ts';
import { referenceConvTranspose2d } from './reference.ts';

/** Height and width of the result: (in - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + outputPadding. */
export function transposedSize(input: Shape, weight: Shape, attributes: TransposedAttributes): Pair {
  const op = 'convTranspose2d';
  const { stride, padding, dilation } = settle(op, attributes);
  const { outputPadding = [0, 0] } = attributes;
  requireShape(
    outputPadding.every((extra, axis) => Number.isInteger(extra) && extra >= 0 && extra < Math.max(stride[axis], 1)),
    op,
    `outputPadding ${formatShape(outputPadding)} must be from 0 to below the stride ${formatShape(stride)}`,
  );
  const extent = (axis: 0 | 1): number =>
    (input[axis + 1] - 1) * stride[axis] -
    2 * padding[axis] +
    dilation[axis] * (weight[axis] - 1) +
    1 +
    outputPadding[axis];
  const size: Pair = [extent(0), extent(1)];
  requireShape(
    Math.min(...size) >= 1,
    op,
    `input ${formatShape(input)} with weight ${formatShape(weight)} and padding ${formatShape(padding)} leaves no output`,
  );
  return size;
}

/** The convolution whose input gradient this is: its output is our input. */
function geometryOf(
  x: { readonly shape: Shape },
  weight: { readonly shape: Shape },
  attributes: TransposedAttributes,
): ConvolutionGeometry {
  const op = 'convTranspose2d';
  requireShape(
    x.shape.length === 4 && weight.shape.length === 4 && x.shape[3] === weight.shape[3],
    op,
    `input ${formatShape(x.shape)} must be [N, H, W, C] and weight ${formatShape(weight.shape)} [KH, KW, out / groups, C]${imageHint(x.shape, weight.shape[3])}`,
  );
  return transposedGeometry(op, x, weight, transposedSize(x.shape, weight.shape, attributes), attributes);
}

/** (x [N, H, W, C], weight [KH, KW, out / groups, C], bias [out]?) → [N, OH, OW, out]. */
export const convTranspose2dProgram = defineProgram<TransposedAttributes>({
  name: 'convTranspose2d',
  signature: {
    inputs: { x: 'activation', weight: 'activation', 'bias?': 'float32' },
    attributes: { ...CONVOLUTION_ATTRIBUTES, outputPadding: 'pair?' },
  },
  kernels: gatherKernels,
  versions: gatherVersions,
  infer([x, weight, bias], attributes) {
    const geometry = geometryOf(x, weight, attributes);
    requireBias('convTranspose2d', bias, geometry.inChannels);
    requireSameType('convTranspose2d', [x, weight]);
    return [like(x, inputShape(geometry))];
  },
  plan: ([x, weight, bias], _outputs, attributes, target, version) =>
    planTransposed(
      geometryOf(x, weight, attributes),
      storageOf(x),
      bias && 'bias',
      attributes.activation === 'relu',
      target,
      version,
    ),
  reference: ([x, weight, bias], attributes) => [
    referenceConvTranspose2d(
      geometryOf(x, weight, attributes),
      x.data,
      weight.data,
      bias?.data,
      attributes.activation === 'relu',
    ),
  ],
  cost: ([x, weight], _outputs, attributes) => ({ flops: convolutionFlops(geometryOf(x, weight, attributes)) }),
});
