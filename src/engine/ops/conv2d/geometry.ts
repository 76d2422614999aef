/**
 * The shape arithmetic that all convolution ops share. Layouts: activations [N, H, W, C]; weights
 * [KH, KW, inChannels / groups, outChannels], so that a matrix of (kh, kw, in) x out lies ready for products and neighboring
 * output channels are neighbors in memory. PyTorch's [out, in / groups, KH, KW] is that with axes permuted by (2, 3, 1, 0).
 */
import { convolutionExtent, imageHint, layoutHint, requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, type TensorSpec } from '../../tensor/spec.ts';
import type { ConvolutionAttributes, Pair } from './attributes.ts';

/** A convolution in full: everything that its kernels and references need to know. */
export interface ConvolutionGeometry {
  readonly batch: number;
  /** Height and width of the input. */
  readonly input: Pair;
  readonly inChannels: number;
  readonly output: Pair;
  readonly outChannels: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
}

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1;

/** The attributes with their defaults. Throws where one is not a whole number in its range. */
export function settle(
  op: string,
  attributes: ConvolutionAttributes,
): Pick<ConvolutionGeometry, 'stride' | 'padding' | 'dilation' | 'groups'> {
  const { stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = attributes;
  requireShape(
    [...stride, ...dilation, groups].every(isCount) && padding.every((value) => isCount(value + 1)),
    op,
    `stride ${formatShape(stride)}, dilation ${formatShape(dilation)} and groups ${groups} must be whole numbers from 1, padding ${formatShape(padding)} from 0`,
  );
  return { stride, padding, dilation, groups };
}

/** Checks a bias of one number for each of `channels`. */
export function requireBias(op: string, bias: TensorSpec | undefined, channels: number): void {
  requireShape(
    bias === undefined || (bias.shape.length === 1 && bias.shape[0] === channels),
    op,
    `a bias of shape ${bias && formatShape(bias.shape)} for ${channels} output channels`,
  );
}

/** Says where a weight has PyTorch's order of axes: in that one it would fit, and it is not a small square kernel as it is. */
function weightHint(weight: Shape, channels: number, groups: number): string {
  const [out, perGroup, height, width] = weight;
  const fits = perGroup * groups === channels && height === width && height <= 11;
  if (!fits || (out === perGroup && out <= 11)) return '';
  return ": the weight looks like PyTorch's [out, in, KH, KW]: weight.permute([2, 3, 1, 0])";
}

/**
 * The convolution of an input [N, H, W, C] with weights [KH, KW, C / groups, out].
 * Throws a `shape` error naming `op` and both shapes where they do not fit.
 */
export function convolutionGeometry(
  op: string,
  input: Shape,
  weight: Shape,
  attributes: ConvolutionAttributes,
): ConvolutionGeometry {
  const settings = settle(op, attributes);
  const { stride, padding, dilation, groups } = settings;
  requireShape(
    input.length === 4 && weight.length === 4,
    op,
    `input ${formatShape(input)} must be [N, H, W, C] and weight ${formatShape(weight)} [KH, KW, C / groups, out]${imageHint(input, weight[2] * groups)}`,
  );
  const [batch, height, width, inChannels] = input;
  const [kernelHeight, kernelWidth, perGroup, outChannels] = weight;
  requireShape(
    inChannels === perGroup * groups && outChannels % groups === 0,
    op,
    `input ${formatShape(input)} and weight ${formatShape(weight)} do not fit with ${groups} group(s): the weight's third ` +
      `extent must be ${inChannels} / ${groups} and its last a multiple of ${groups}` +
      (layoutHint(input, perGroup * groups) || weightHint(weight, inChannels, groups)),
  );
  const extent = (axis: 0 | 1, size: number, kernel: number) =>
    convolutionExtent(op, size, kernel, stride[axis], padding[axis], dilation[axis]);
  return {
    ...settings,
    batch,
    input: [height, width],
    inChannels,
    output: [extent(0, height, kernelHeight), extent(1, width, kernelWidth)],
    outChannels,
    kernel: [kernelHeight, kernelWidth],
  };
}

export const inputShape = (geometry: ConvolutionGeometry): Shape => [
  geometry.batch,
  ...geometry.input,
  geometry.inChannels,
];
export const outputShape = (geometry: ConvolutionGeometry): Shape => [
  geometry.batch,
  ...geometry.output,
  geometry.outChannels,
];
export const weightShape = ({ kernel, inChannels, groups, outChannels }: ConvolutionGeometry): Shape => [
  ...kernel,
  inChannels / groups,
  outChannels,
];

/** Floating-point operations of the forward pass; each gradient takes as many (taps in the padding are counted). */
export function convolutionFlops({
  batch,
  output,
  outChannels,
  kernel,
  inChannels,
  groups,
}: ConvolutionGeometry): number {
  return 2 * batch * output[0] * output[1] * outChannels * kernel[0] * kernel[1] * (inChannels / groups);
}

/**
 * The same convolution in a shape that kernels do better: a 1x1 one is made one long row, and where windows lie side by side
 * along a row (width = stride, no padding: the patch convolutions) a window's row of pixels becomes one pixel of more
 * channels, which in memory it is. Weights and all elements keep their places.
 */
export function folded(geometry: ConvolutionGeometry): ConvolutionGeometry {
  let { batch, input, inChannels, output, kernel, stride, padding, dilation, groups } = geometry;
  if (groups !== 1) return geometry;
  const across = kernel[1];
  const wholeRows = across === stride[1] && padding[1] === 0 && dilation[1] === 1 && input[1] % across === 0;
  if (wholeRows) {
    input = [input[0], input[1] / across];
    inChannels *= across;
    kernel = [kernel[0], 1];
    stride = [stride[0], 1];
  }
  if (wholeRows && kernel[0] === 1 && stride[0] === 1 && padding[0] === 0) {
    const pixels = batch * input[0] * input[1];
    batch = 1;
    input = [1, pixels];
    output = [1, pixels];
  }
  return { ...geometry, batch, input, inChannels, output, kernel, stride, padding, dilation, groups };
}
