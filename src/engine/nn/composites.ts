/**
 * Functions of torch.nn.functional that are compositions of a few ops: small, differentiable, and no faster than their parts. Activations
 * are NHWC. They are members of `functional`.
 */
import { GmtlError, show } from '../errors.ts';
import type { Engine } from '../autograd/engine.ts';
import { Tensor } from '../autograd/tensor.ts';
import type { Reduction } from '../ops/loss/plan.ts';
import { concat as concatOp } from '../ops/movement/op.ts';
import { avgPool2d as avgPool2dOp } from '../ops/pool/op.ts';
import { checkAttributes } from '../arguments.ts';
import { antialiasWeights, checkInterpolation, type InterpolateOptions } from './interpolation.ts';
import { upsampleBilinear2d as bilinearOp, upsampleNearest2d as nearestOp } from '../ops/upsample/op.ts';
import { where as whereOp } from '../ops/where/op.ts';
import { broadcastShapes, layoutHint, normalizeAxis, sameShape } from '../tensor/shape.ts';
import { formatShape, isFloat } from '../tensor/spec.ts';

export type { InterpolateOptions } from './interpolation.ts';

export type { Reduction } from '../ops/loss/plan.ts';

/** The engine that all `inputs` are on. Throws `ops/inputs` for what is not a tensor; the engine checks all else. */
function engineOf(op: string, inputs: Readonly<Record<string, Tensor>>): Engine {
  for (const [name, input] of Object.entries(inputs)) {
    if (!(input instanceof Tensor))
      throw new GmtlError('ops/inputs', `${op}: input ${name} is ${show(input)}, not a tensor`);
  }
  return Object.values(inputs)[0].engine;
}

/** Losses over all elements of two tensors, as `reduction` says. */
function loss(
  op: string,
  inputs: Readonly<Record<string, Tensor>>,
  options: { readonly reduction: Reduction; readonly beta?: number },
  losses: () => Tensor,
): Tensor {
  checkAttributes(op, { reduction: ['mean', 'sum', 'none'], beta: 'number?' }, options);
  const engine = engineOf(op, inputs);
  if (options.beta !== undefined && options.beta < 0)
    throw new GmtlError('ops/attribute', `${op}: beta is ${options.beta}; it takes a number from 0 on`);
  // Numbers beside a row of them would broadcast to a matrix, and the loss of all pairs looks like one.
  const [first, second] = Object.values(inputs);
  if (!sameShape(first.shape, second.shape))
    throw new GmtlError('tensor/shape', `${op}: ${first} and ${second} differ in shape: reshape one of them`);
  return engine.scope(() => reduce(losses(), options.reduction));
}

function reduce(losses: Tensor, reduction: Reduction): Tensor {
  return reduction === 'none' ? losses : reduction === 'sum' ? losses.sum() : losses.mean();
}

/**
 * condition ? a : b by element, with broadcasting (torch.where): a number other than 0 picks a, NaN among them. What is not picked may be NaN.
 * @throws GmtlError `tensor/shape` where the shapes do not broadcast, `tensor/dtype` for integers to pick from and for two types of them.
 */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return engineOf('where', { condition, a, b }).scope(() => {
    const shape = [condition, a, b].map((x) => x.shape).reduce((one, other) => broadcastShapes('where', one, other));
    // As float16 a small condition would be 0.
    const isNarrowed = a.dtype === 'f16' && condition.dtype === 'f32';
    const picking = isNarrowed ? condition.ne(0) : condition;
    const [picks, first, second] = [isFloat(a.dtype) ? picking.cast(a.dtype) : picking, a, b].map((x) =>
      x.expand(shape),
    );
    return a.engine.apply(whereOp, [picks, first, second], {});
  });
}

/**
 * Tensors of one shape along a new axis, which stands at `axis` of the result (torch.stack).
 * @throws GmtlError `ops/inputs` for no tensor, `tensor/shape` where shapes differ, `tensor/dtype` where types do.
 */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new GmtlError('ops/inputs', 'stack: there is nothing to stack; give an array of one tensor or more');
  const engine = engineOf('stack', Object.fromEntries(tensors.map((x, index) => [String(index), x])));
  const [first] = tensors;
  const at = normalizeAxis('stack', axis, first.shape.length + 1);
  return engine.scope(() =>
    first.engine.apply(
      concatOp,
      tensors.map((x) => x.unsqueeze(at)),
      { axis: at },
    ),
  );
}

/**
 * Group normalization (Wu and He 2018; torch.nn.functional.group_norm): x [N, ..., C] in `groups` groups of neighboring channels, each
 * normalized over its channels and all axes between, biased variance; weight and bias [C].
 */
export function groupNorm(x: Tensor, groups: number, weight?: Tensor | null, bias?: Tensor | null, eps = 1e-5): Tensor {
  checkAttributes('groupNorm', { eps: 'number' }, { eps });
  const engine = engineOf('groupNorm', { x });
  const [samples, channels] = [x.shape[0], x.shape.at(-1) ?? 0];
  if (x.shape.length < 2 || !Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new GmtlError(
      'tensor/shape',
      `groupNorm: the channels of ${formatShape(x.shape)} do not fall into ${groups} groups${layoutHint(x.shape, weight?.size ?? 0)}`,
    );
  }
  return engine.scope(() => {
    const parted = x.reshape([samples, -1, groups, channels / groups]);
    const centered = parted.sub(parted.mean([1, 3], true));
    const spread = centered.square().mean([1, 3], true).add(eps).sqrt();
    const normal = centered.div(spread).reshape(x.shape);
    const scaled = weight ? normal.mul(weight) : normal;
    return bias ? scaled.add(bias) : scaled;
  });
}

/** First and last row (exclusive) of cell `index` of `cells` over `extent`, as PyTorch divides them. */
const cellOf = (index: number, cells: number, extent: number): [number, number] => [
  Math.floor((index * extent) / cells),
  Math.ceil(((index + 1) * extent) / cells),
];

/**
 * Means over a grid of `size` [height, width] cells that cover x [N, H, W, C] (torch.nn.functional.adaptive_avg_pool2d): cells overlap where the
 * extents do not divide.
 */
export function adaptiveAvgPool2d(x: Tensor, size: number | readonly [number, number]): Tensor {
  checkAttributes('adaptiveAvgPool2d', { size: 'extents' }, { size });
  const [rows, columns] = typeof size === 'number' ? [size, size] : size;
  const engine = engineOf('adaptiveAvgPool2d', { x });
  const [, height, width] = x.shape;
  if (x.shape.length !== 4) {
    throw new GmtlError(
      'tensor/shape',
      `adaptiveAvgPool2d: ${rows} by ${columns} cells of ${formatShape(x.shape)}; it takes [N, H, W, C]`,
    );
  }
  return engine.scope(() => {
    if (height % rows === 0 && width % columns === 0) {
      const kernel = [height / rows, width / columns] as const;
      return x.engine.apply(avgPool2dOp, [x], { kernel });
    }
    const means = (y: Tensor, axis: number, cells: number): Tensor => {
      const parts = Array.from({ length: cells }, (_, index) => y.slice(axis, ...cellOf(index, cells, y.shape[axis])));
      return y.engine.apply(
        concatOp,
        parts.map((part) => part.mean([axis], true)),
        { axis },
      );
    };
    return means(means(x, 1, rows), 2, columns);
  });
}

/**
 * Resizes x [N, H, W, C] to `size`, or by `scaleFactor` (torch.nn.functional.interpolate): {@link InterpolateOptions}.
 * @throws GmtlError `ops/attribute` unless just one of the two is given.
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  checkInterpolation('interpolate', options);
  engineOf('interpolate', { x });
  const { size, scaleFactor, mode = 'nearest', alignCorners = false, antialias = false } = options;
  const scaled = [x.shape[1], x.shape[2]].map((extent) => extent * (scaleFactor ?? 1));
  const wanted = size ?? ([Math.floor(scaled[0]), Math.floor(scaled[1])] as const);
  const isRounded = scaleFactor !== undefined && !alignCorners && !scaled.every(Number.isInteger);
  if (antialias) return antialiased(x, wanted, isRounded ? 1 / scaleFactor : undefined);
  const scales = isRounded ? { scales: [scaleFactor, scaleFactor] as const } : {};
  return mode === 'bilinear'
    ? x.engine.apply(bilinearOp, [x], { size: wanted, alignCorners, ...scales })
    : x.engine.apply(nearestOp, [x], { size: wanted, ...scales });
}

/** Bilinear resizing that averages where it shrinks: a product with a matrix of weights along each axis, whose results stand `step` apart. */
function antialiased(x: Tensor, [height, width]: readonly [number, number], step?: number): Tensor {
  const [n, rows, columns, channels] = x.shape;
  if (x.shape.length !== 4) throw new GmtlError('tensor/shape', `interpolate: x is ${x}; it is [N, H, W, C]`);
  checkAttributes('interpolate', { height: 'extent', width: 'extent' }, { height, width });
  return x.engine.scope(() => {
    const weights = (from: number, to: number): Tensor =>
      x.engine.tensor(antialiasWeights(from, to, step), [to, from]).cast(x.dtype);
    const shrunk = weights(rows, height).matmul(x.reshape([n, rows, columns * channels]));
    const both = weights(columns, width).matmul(shrunk.reshape([n * height, columns, channels]));
    return both.reshape([n, height, width, channels]);
  });
}

/**
 * (input - target)² of two tensors of one shape (torch.nn.functional.mse_loss): the mean over elements, their 'sum', or each ('none').
 * @throws GmtlError `tensor/shape` for two shapes, `ops/attribute` for another reduction; so do the losses below.
 */
export function mseLoss(input: Tensor, target: Tensor, reduction: Reduction = 'mean'): Tensor {
  return loss('mseLoss', { input, target }, { reduction }, () => input.sub(target).square());
}

/** |input - target| (torch.nn.functional.l1_loss), the derivative at 0 being 0; shapes, reductions and errors as {@link mseLoss}. */
export function l1Loss(input: Tensor, target: Tensor, reduction: Reduction = 'mean'): Tensor {
  return loss('l1Loss', { input, target }, { reduction }, () => input.sub(target).abs());
}

/**
 * Half the square of the difference over `beta` where it is below `beta`, else its size less beta / 2 (torch.nn.functional.smooth_l1_loss; Girshick
 * 2015); with beta 0 {@link l1Loss}. Shapes, reductions and errors as {@link mseLoss}.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, beta = 1, reduction: Reduction = 'mean'): Tensor {
  return loss('smoothL1Loss', { input, target }, { reduction, beta }, () => {
    const apart = input.sub(target).abs();
    if (beta === 0) return apart;
    return where(apart.lt(beta), apart.square().mul(0.5 / beta), apart.sub(0.5 * beta));
  });
}

/**
 * target * (log target - input), of log-probabilities and probabilities (kl_div with log_target false). Terms of a target of 0 are 0. Reduction
 * 'batchmean' is the sum over the first extent, the divergence's own definition.
 */
export function klDiv(input: Tensor, target: Tensor, reduction: Reduction | 'batchmean' = 'mean'): Tensor {
  if (reduction === 'batchmean') {
    return engineOf('klDiv', { input, target }).scope(() => klDiv(input, target, 'sum').div(input.shape[0]));
  }
  return loss('klDiv', { input, target }, { reduction }, () => {
    const zeros = target.affine(0, 0);
    const entropy = where(target.gt(0), target.mul(target.log()), zeros);
    return entropy.sub(target.mul(input));
  });
}

/**
 * Cross-entropy of logits [N, C] and class probabilities [N, C] (torch.nn.functional.cross_entropy with such targets): for mixed or smoothed
 * labels. Mean over the rows.
 */
export function softCrossEntropy(logits: Tensor, target: Tensor, reduction: Reduction = 'mean'): Tensor {
  return loss('softCrossEntropy', { logits, target }, { reduction }, () => {
    const classes = logits.shape.length - 1;
    const peak = logits.detach().max([classes], true);
    const shifted = logits.sub(peak);
    const logSum = shifted.exp().sum([classes], true).log();
    return logSum.sub(shifted).mul(target).sum([classes]);
  });
}

/** Options of {@link nllLoss}. */
export interface NllOptions {
  /** Shape [C]: what a row counts, by its label. */
  readonly classWeights?: Tensor | null;
  /** Default 'mean', weighted by the class weights as in PyTorch. */
  readonly reduction?: Reduction;
}

/**
 * -logProbabilities at the labels (torch.nn.functional.nll_loss): log-probabilities [..., C], labels i32 [...]. As in {@link crossEntropy}, which takes logits
 * and is one dispatch, rows of negative labels are ignored (0 with 'none', and the mean of none is 0), and a label of C or more gives NaN.
 * @throws GmtlError `tensor/shape` where the labels are not one per row, `tensor/dtype` where they are not i32.
 */
export function nllLoss(logProbabilities: Tensor, labels: Tensor, options: NllOptions = {}): Tensor {
  checkAttributes('nllLoss', { classWeights: 'anything?', reduction: ['mean', 'sum', 'none'] }, options);
  const { classWeights = null, reduction = 'mean' } = options;
  const engine = engineOf('nllLoss', { logProbabilities, labels, ...(classWeights && { classWeights }) });
  const rows = logProbabilities.shape.slice(0, -1);
  if (logProbabilities.shape.length === 0 || !sameShape(rows, labels.shape))
    throw new GmtlError('tensor/shape', `nllLoss: ${labels} are not one label for each row of ${logProbabilities}`);
  const classes = logProbabilities.shape.at(-1) as number;
  if (classWeights && !sameShape(classWeights.shape, [classes]))
    throw new GmtlError('tensor/shape', `nllLoss: ${classWeights} are not one weight for each of ${classes} classes`);
  return engine.scope(() => {
    const numbers = labels.cast('f32');
    const counted = numbers.ge(0);
    // An ignored row takes class 0, and then nothing of it. The cast of labels that are not i32 is refused by the gather.
    const index = labels.dtype === 'i32' ? numbers.clamp(0, Number.POSITIVE_INFINITY).cast('i32') : labels;
    const picked = logProbabilities.gather(-1, index.unsqueeze(-1)).squeeze([-1]).cast('f32');
    const losses = where(counted, picked, counted.mul(0)).neg();
    const weights = classWeights ? counted.mul(classWeights.indexSelect(0, index.flatten()).reshape(rows)) : counted;
    const weighed = losses.mul(weights);
    if (reduction === 'none') return weighed;
    if (reduction === 'sum') return weighed.sum();
    const total = weights.sum();
    return weighed.sum().div(total.add(total.eq(0)));
  });
}

/** Mirrors the border of x [N, H, W, C] without repeating it: rows and columns by [top, bottom, left, right] (torch pad, mode 'reflect'). */
export function reflectPad2d(x: Tensor, border: number | readonly [number, number, number, number]): Tensor {
  const sides = typeof border === 'number' ? [border, border, border, border] : border;
  checkAttributes('reflectPad2d', { border: 'integers' }, { border: sides });
  const [top, bottom, left, right] = sides;
  const engine = engineOf('reflectPad2d', { x });
  const [, height, width] = x.shape;
  if (
    x.shape.length !== 4 ||
    sides.length !== 4 ||
    Math.max(top, bottom) >= height ||
    Math.max(left, right) >= width ||
    Math.min(top, bottom, left, right) < 0
  ) {
    throw new GmtlError(
      'tensor/shape',
      `reflectPad2d: a border of ${sides.join(', ')} around ${formatShape(x.shape)}; it must be narrower than the image`,
    );
  }
  return engine.scope(() => {
    const mirrored = (y: Tensor, axis: number, before: number, behind: number): Tensor => {
      const extent = y.shape[axis];
      const line = (at: number): Tensor => y.slice(axis, at, at + 1);
      const front = Array.from({ length: before }, (_, k) => line(before - k));
      const back = Array.from({ length: behind }, (_, k) => line(extent - 2 - k));
      const parts = [...front, y, ...back];
      return parts.length === 1 ? y : y.engine.apply(concatOp, parts, { axis });
    };
    const padded = mirrored(mirrored(x, 1, top, bottom), 2, left, right);
    return padded === x ? x.affine(1, 0) : padded;
  });
}
