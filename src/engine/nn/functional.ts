/**
 * Differentiable functions of tensors, named as in torch.nn.functional. Activations are NHWC: [N, H, W, C]. Products use their weights in
 * the type of the activation: a float32 weight is cast for a float16 activation, and its gradient is float32 again.
 * Each throws a `tensor/shape` error that names the op and the shapes when they do not fit.
 */
import { GmtlError, show } from '../errors.ts';
import { Tensor } from '../autograd/tensor.ts';
import type { BatchNormAttributes } from '../ops/batchNorm/attributes.ts';
import { batchNorm as batchNormOp } from '../ops/batchNorm/op.ts';
import type { Pair } from '../ops/conv2d/attributes.ts';
import { conv2d as conv2dOp } from '../ops/conv2d/op.ts';
import { convTranspose2d as convTranspose2dOp } from '../ops/convTranspose2d/op.ts';
import { depthwiseConv2d as depthwiseConv2dOp } from '../ops/depthwiseConv2d/op.ts';
import { layerNorm as layerNormOp } from '../ops/layerNorm/op.ts';
import { layerScale as layerScaleOp, scaleResidual as scaleResidualOp } from '../ops/layerScale/op.ts';
import type { NoAttributes, Op } from '../ops/definition.ts';
import { matmul as matmulOp } from '../ops/matmul/op.ts';
import type { PadAttributes } from '../ops/movement/attributes.ts';
import { concat as concatOp, pad as padOp } from '../ops/movement/op.ts';
import { dot as dotOp } from '../ops/optimizer/op.ts';
import type { AvgPoolAttributes, MaxPoolAttributes } from '../ops/pool/attributes.ts';
import { avgPool2d as avgPool2dOp, maxPool2d as maxPool2dOp } from '../ops/pool/op.ts';
import { residualMlp as residualMlpOp } from '../ops/residualMlp/op.ts';
import { logSoftmax as logSoftmaxOp, softmax as softmaxOp } from '../ops/softmax/op.ts';
import { checkAttributes, requireOptions } from '../arguments.ts';
import { unaryOps } from '../ops/unary/op.ts';
import {
  upsampleBilinear2d as upsampleBilinear2dOp,
  upsampleNearest2d as upsampleNearest2dOp,
} from '../ops/upsample/op.ts';
import { normalizeAxis } from '../tensor/shape.ts';
import { isFloat } from '../tensor/spec.ts';
import { apply } from './applyOp.ts';

export * from './composites.ts';
export * from './losses/lossFunctions.ts';

export type { Pair } from '../ops/conv2d/attributes.ts';

/** [height, width] of a setting that is given as one number for both image axes, or as one per axis. */
export function pair(value: number | Pair): Pair {
  return typeof value === 'number' ? [value, value] : value;
}

/** A product's weight in the type of the activation. */
function weightFor(x: Tensor, weight: Tensor): Tensor {
  return x instanceof Tensor && weight instanceof Tensor && isFloat(x.dtype) && isFloat(weight.dtype)
    ? weight.cast(x.dtype)
    : weight;
}

/**
 * x · weightᵀ + bias over the last axis (torch.nn.functional.linear): x [..., in], weight [out, in], bias [out], gives [..., out]. `activation` is
 * fused into the product; 'gelu' is the exact form.
 * @throws GmtlError `tensor/shape` where the extents do not meet.
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  activation: 'none' | 'relu' | 'gelu' = 'none',
): Tensor {
  return apply(matmulOp, [x, weightFor(x, weight), bias], { transposeB: true, activation });
}

/** Options of a convolution: numbers count for both axes; the defaults are PyTorch's. */
export interface ConvolutionOptions {
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
  readonly dilation?: number | Pair;
  readonly groups?: number;
  readonly activation?: 'none' | 'relu';
}

/**
 * Cross-correlation (torch.nn.functional.conv2d): x [N, H, W, C], weight [KH, KW, C / groups, out], bias [out], gives [N, H', W', out] with
 * H' = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.
 * @throws GmtlError `tensor/shape` where weight and groups do not fit the channels or the window does not fit the image.
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvolutionOptions = {}): Tensor {
  requireOptions('conv2d', options);
  return apply(conv2dOp, [x, weightFor(x, weight), bias], {
    ...options,
    stride: pair(options.stride ?? 1),
    padding: pair(options.padding ?? 0),
    dilation: pair(options.dilation ?? 1),
    groups: options.groups ?? 1,
    activation: options.activation ?? 'none',
  });
}

/**
 * A filter of its own for each channel (conv2d with as many groups as channels): x [N, H, W, C], weight [KH, KW, C], bias [C], gives
 * [N, H', W', C], extents as {@link conv2d}. @throws GmtlError `tensor/shape` as {@link conv2d}.
 */
export function depthwiseConv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: Omit<ConvolutionOptions, 'groups' | 'activation'> = {},
): Tensor {
  requireOptions('depthwiseConv2d', options);
  return apply(depthwiseConv2dOp, [x, weightFor(x, weight), bias], {
    ...options,
    stride: pair(options.stride ?? 1),
    padding: pair(options.padding ?? 0),
    dilation: pair(options.dilation ?? 1),
  });
}

/**
 * Normalizes over the last axis: weight · (x - mean) / sqrt(variance + eps) + bias, biased variance (Ba et al. 2016; torch.nn.functional.layer_norm):
 * x [..., C], weight and bias [C]. The shape stays. @throws GmtlError `tensor/shape` unless weight and bias are [C].
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  return apply(layerNormOp, [x, weight, bias], { eps });
}

/**
 * Batch normalization over all axes but the last: x [..., C], the others [C]. Training normalizes with the batch's own statistics (biased
 * variance) and moves the running ones, in place, by `momentum` (unbiased variance), and counts the batch in `batches` where that is given;
 * else the running ones are used. `residual` [..., C] is added to the result, then the activation is applied, in the same pass over x.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  running: { readonly mean: Tensor; readonly variance: Tensor; readonly batches?: Tensor },
  attributes: BatchNormAttributes,
  residual?: Tensor | null,
): Tensor {
  requireOptions('batchNorm running statistics', running, ['mean', 'variance', 'batches']);
  const { mean, variance } = running;
  // Inputs are told apart by their place: a residual needs a count before it.
  const uncounted = residual && !running.batches ? x.engine.tensor([0], []) : null;
  const batches = running.batches ?? uncounted;
  const result = apply(batchNormOp, [x, weight, bias, mean, variance, batches, residual], attributes);
  uncounted?.dispose();
  return result;
}

/**
 * Maximum over windows of x [N, H, W, C], gives [N, H', W', C] (torch.nn.functional.max_pool2d); the stride is the kernel's size where left out.
 * Padding never wins. @throws GmtlError `tensor/shape` where the window does not fit the image.
 */
export function maxPool2d(x: Tensor, options: MaxPoolAttributes): Tensor {
  return apply(maxPool2dOp, [x], options);
}

/**
 * Mean over windows of x [N, H, W, C], gives [N, H', W', C] (torch.nn.functional.avg_pool2d); the stride is the kernel's size where left out.
 * @throws GmtlError `tensor/shape` where the window does not fit the image.
 */
export function avgPool2d(x: Tensor, options: AvgPoolAttributes): Tensor {
  return apply(avgPool2dOp, [x], options);
}

/**
 * Transposed convolution, the gradient of a convolution as a layer (torch.nn.functional.conv_transpose2d): x [N, H, W, C], weight
 * [KH, KW, out / groups, C], bias [out], gives [N, H', W', out] with H' = (H - 1) stride - 2 padding + dilation (KH - 1) + outputPadding + 1.
 * @throws GmtlError `tensor/shape` where weight and groups do not fit the channels.
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: ConvolutionOptions & { readonly outputPadding?: number | Pair } = {},
): Tensor {
  requireOptions('convTranspose2d', options);
  return apply(convTranspose2dOp, [x, weightFor(x, weight), bias], {
    ...options,
    stride: pair(options.stride ?? 1),
    padding: pair(options.padding ?? 0),
    dilation: pair(options.dilation ?? 1),
    outputPadding: pair(options.outputPadding ?? 0),
    groups: options.groups ?? 1,
    activation: options.activation ?? 'none',
  });
}

/** |x|, f32 or f16, any shape; the derivative at 0 is 0. @throws GmtlError `tensor/dtype` for integers. */
export function abs(x: Tensor): Tensor {
  return apply(unaryOps.abs, [x], {});
}

/** log(1 + exp(x)), f32 or f16, any shape, without overflow (torch.nn.functional.softplus). @throws GmtlError `tensor/dtype` for integers. */
export function softplus(x: Tensor): Tensor {
  return apply(unaryOps.softplus, [x], {});
}

/**
 * Sum of a * b over two f32 tensors of one shape, as a scalar []; differentiable in both.
 * @throws GmtlError `tensor/shape` where the shapes differ, `tensor/dtype` for other types.
 */
export function dot(a: Tensor, b: Tensor): Tensor {
  return apply(dotOp, [a, b], {});
}

/**
 * Joins tensors of one type along an axis (negative: from the back); their other extents are equal (torch.cat).
 * @throws GmtlError `ops/inputs` for no tensor, `tensor/shape` where other extents differ, `tensor/dtype` where types do.
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new GmtlError('ops/inputs', 'concat: there is nothing to join; give an array of one tensor or more');
  return apply(concatOp, tensors, { axis });
}

/**
 * A border of `value` (default 0): `before` and `after` count the elements put in front of and behind each axis, one number per axis.
 * @throws GmtlError `tensor/shape` where there are not as many counts as axes, or one is below 0.
 */
export function pad(x: Tensor, attributes: PadAttributes): Tensor {
  return apply(padOp, [x], attributes);
}

/** Rows `rows` (axis 0) of x, in that order; x itself where that is all of them. Runs of neighbors are moved together. */
export function selectRows(x: Tensor, rows: readonly number[]): Tensor {
  checkAttributes('selectRows', { rows: 'integers' }, { rows });
  if (!(x instanceof Tensor)) throw new GmtlError('ops/inputs', `selectRows: input x is ${show(x)}, not a tensor`);
  if (rows.length === x.shape[0] && rows.every((row, index) => row === index)) return x;
  const runs: [number, number][] = [];
  for (const row of rows) {
    const last = runs.at(-1);
    if (last && last[1] === row) last[1] = row + 1;
    else runs.push([row, row + 1]);
  }
  const parts = runs.map(([start, end]) => x.slice(0, start, end));
  return parts.length === 1 ? parts[0] : concat(parts, 0);
}

/**
 * Bilinear resizing of x [N, H, W, C] to [height, width] (torch.nn.functional.interpolate, mode 'bilinear'), without antialiasing: to shrink by
 * much, pool first.
 * @param alignCorners whether the corner pixels' centers meet; default false: the images' edges do.
 */
export function upsampleBilinear2d(x: Tensor, size: Pair, alignCorners = false): Tensor {
  return apply(upsampleBilinear2dOp, [x], { size, alignCorners });
}

/** Nearest-neighbor resizing of x [N, H, W, C] to [height, width] (torch.nn.functional.interpolate, mode 'nearest'): pixel y comes from row floor(y H / height). */
export function upsampleNearest2d(x: Tensor, size: Pair): Tensor {
  return apply(upsampleNearest2dOp, [x], { size });
}

/**
 * exp(x) / sum of exp(x) over an axis (negative: from the back; the last one where left out), without overflow; x is f32 of any shape, which stays.
 * @throws GmtlError `tensor/shape` for an axis that is none, `tensor/dtype` for other types.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  return overAxis(softmaxOp, x, axis);
}

/**
 * Logarithm of the softmax over an axis, the last one where left out, without overflow; x of any shape, which stays.
 * @throws GmtlError `tensor/shape` for an axis that is none.
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return overAxis(logSoftmaxOp, x, axis);
}

/** Applies an op of the last axis to another one, which changes places with the last on the way in and out. */
function overAxis(op: Op<NoAttributes>, x: Tensor, axis: number): Tensor {
  const last = x instanceof Tensor ? x.shape.length - 1 : -1;
  const along = last < 0 ? last : normalizeAxis(op.name, axis, last + 1);
  if (along === last) return apply(op, [x], {});
  const exchanged = x.shape.map((_, k) => (k === along ? last : k === last ? along : k));
  return apply(op, [x.permute(exchanged)], {}).permute(exchanged);
}

/** gamma * x: x [..., C], gamma [C] (ConvNeXt's layer scale); {@link scaleResidual} adds the residual in the same pass. */
export function layerScale(x: Tensor, gamma: Tensor): Tensor {
  return apply(layerScaleOp, [x, gamma], {});
}

/** residual + factor * gamma * x: x and residual [N, ..., C], gamma [C], one factor per sample [N] (drop path; no gradient). */
export function scaleResidual(residual: Tensor, x: Tensor, gamma: Tensor, factor?: Tensor | null): Tensor {
  return apply(scaleResidualOp, [residual, x, gamma, factor], {});
}

/** A linear layer's weight [out, in] and bias [out]; {@link residualMlp} needs both. */
export interface LinearParameters {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

/**
 * residual + factor * gamma * (second(gelu(first(x)))): the second half of a ConvNeXt block in two products. x and residual [N, ..., C], gamma [C],
 * first to any width, second back to C, one factor per sample [N] (drop path; no gradient).
 */
export function residualMlp(
  residual: Tensor,
  x: Tensor,
  layers: readonly [LinearParameters, LinearParameters],
  gamma: Tensor,
  factor?: Tensor | null,
): Tensor {
  const [first, second] = Array.isArray(layers) ? layers : [];
  if (!first?.bias || !second?.bias)
    throw new GmtlError('ops/inputs', 'residualMlp: it takes two layers, [first, second], each with weight and bias');
  const [up, down] = [weightFor(x, first.weight), weightFor(x, second.weight)];
  const inputs = [residual, x, up, first.bias, down, second.bias, gamma, factor];
  return apply(residualMlpOp, inputs, {});
}
