/**
 * All shape arithmetic, pure: no function here knows of a device. Each throws a `GmtlError` with code `tensor/shape`
 * that names the op and the shapes concerned.
 */
import { GmtlError, show } from '../errors.ts';
import { formatShape, type Shape, sizeOf } from './spec.ts';

/** The error for every shape mistake. */
function shapeError(op: string, message: string): GmtlError {
  return new GmtlError('tensor/shape', `${op}: ${message}`);
}

/** Throws unless `condition`; for the checks in `infer` functions. */
export function requireShape(condition: boolean, op: string, message: string): asserts condition {
  if (!condition) throw shapeError(op, message);
}

/**
 * What a shape error says further where the mistake is plain: an image in PyTorch's order of axes.
 *
 * @param channels how many the input should have had.
 */
export function layoutHint(shape: Shape, channels: number): string {
  if (shape.length !== 4 || shape[1] !== channels || shape[2] === channels || shape[3] === channels) return '';
  return ": it looks like NCHW, and gmtl's images are NHWC: x.permute([0, 2, 3, 1])";
}

/** The same of an op that takes nothing but batches of images. */
export function imageHint(shape: Shape, channels: number): string {
  return shape.length === 3 ? ': one image needs a batch axis, x.unsqueeze(0)' : layoutHint(shape, channels);
}

/**
 * Throws `tensor/empty` for a shape without elements. The one rule about empty tensors: there are none. They are refused where they would be
 * made, whoever makes them, so that no op has to say what it does with nothing.
 */
export function requireElements(op: string, shape: Shape): void {
  if (!shape.includes(0)) return;
  throw new GmtlError(
    'tensor/empty',
    `${op}: a tensor of shape ${formatShape(shape)} would have no elements, and gmtl has no empty tensors: leave the call out where there is nothing to do`,
  );
}

/** Throws unless `shape` is an array of whole numbers, none negative, that has elements. */
export function requireExtents(op: string, shape: unknown): asserts shape is Shape {
  const valid = Array.isArray(shape) && shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
  if (!valid) {
    const shown = Array.isArray(shape) ? `[${shape.map(String).join(', ')}]` : String(shape);
    throw shapeError(op, `${shown} is not a shape: it takes an array of whole numbers above 0`);
  }
  requireElements(op, shape);
}

/** Equal ranks and equal extents. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** NumPy broadcasting: axes are aligned at the right, an extent of 1 stretches. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const result: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const extentA = a[a.length - rank + axis] ?? 1;
    const extentB = b[b.length - rank + axis] ?? 1;
    if (extentA !== extentB && extentA !== 1 && extentB !== 1) {
      throw shapeError(
        op,
        `shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast (axis ${axis}: ${extentA} against ${extentB})`,
      );
    }
    result.push(extentA === 1 ? extentB : extentA);
  }
  return result;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Strides of `shape` when read through `target` (broadcast): stretched axes have stride 0. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const strides = stridesOf(shape);
  return target.map((extent, axis) => {
    const at = axis - (target.length - shape.length);
    return at < 0 || (shape[at] === 1 && extent !== 1) ? 0 : strides[at];
  });
}

/** An axis counted from the front; negative ones count from the back as in NumPy. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank) {
    throw shapeError(op, `axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return normal;
}

/** Sorted, distinct, counted from the front; `undefined` means all axes. */
export function normalizeAxes(op: string, axes: readonly number[] | number | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  if (typeof axes !== 'number' && !Array.isArray(axes)) {
    throw new GmtlError(
      'ops/attribute',
      `${op}: the axes are ${show(axes)}; they are an array of whole numbers, such as [0, 1]`,
    );
  }
  const list = [axes].flat().map((axis) => normalizeAxis(op, axis, rank));
  const distinct = [...new Set(list)].sort((a, b) => a - b);
  if (distinct.length !== list.length) throw shapeError(op, `axes ${formatShape(list)} name one axis twice`);
  return distinct;
}

/** The shape after reducing over `axes`. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  const result: number[] = [];
  shape.forEach((extent, axis) => {
    if (!axes.includes(axis)) result.push(extent);
    else if (keepDims) result.push(1);
  });
  return result;
}

/** Fills in one extent of -1 and checks that the element count stays. */
export function resolveReshape(op: string, from: Shape, to: Shape): number[] {
  if (!Array.isArray(to)) {
    throw new GmtlError('ops/attribute', `${op}: the shape is ${show(to)}; it is one array, such as [2, 3]`);
  }
  const unknown = to.filter((extent) => extent === -1).length;
  const known = to.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
  const total = sizeOf(from);
  if (unknown > 1) throw shapeError(op, `at most one extent of ${formatShape(to)} may be -1`);
  const result = to.map((extent) => (extent === -1 ? total / known : extent));
  if (result.some((extent) => !Number.isInteger(extent) || extent < 1) || sizeOf(result) !== total) {
    throw shapeError(op, `${formatShape(from)} (${total} elements) cannot be viewed as ${formatShape(to)}`);
  }
  return result;
}

/** Output extent of a convolution or pooling window along one axis (floor mode, as PyTorch's default). */
export function convolutionExtent(
  op: string,
  input: number,
  kernel: number,
  stride: number,
  padding: number,
  dilation: number,
): number {
  const reach = dilation * (kernel - 1) + 1;
  const extent = Math.floor((input + 2 * padding - reach) / stride) + 1;
  if (extent < 1) {
    throw shapeError(
      op,
      `a window of ${kernel} (dilation ${dilation}, padding ${padding}) does not fit an input extent of ${input}`,
    );
  }
  return extent;
}

/** ceil(a / b) of positive integers. */
export function ceilDiv(a: number, b: number): number {
  return Math.floor((a + b - 1) / b);
}
