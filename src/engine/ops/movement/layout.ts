/** Where the elements lie that the movements take and leave. */
import { normalizeAxes, normalizeAxis, requireShape, stridesOf } from '../../tensor/shape.ts';
import { formatShape, type Shape } from '../../tensor/spec.ts';
import type { PadAttributes, SliceAttributes } from './attributes.ts';

/** For each input, the index along `axis` where its part of the result begins. */
export function beginnings(inputs: readonly { readonly shape: Shape }[], axis: number): number[] {
  let at = 0;
  return inputs.map(({ shape }) => {
    const begin = at;
    at += shape[axis];
    return begin;
  });
}

/** Where the input lies in the padded tensor. */
export function interior(shape: Shape, { before }: PadAttributes): SliceAttributes {
  return { starts: before, ends: before.map((count, axis) => count + shape[axis]) };
}

function checkedAxes(shape: Shape, axes: readonly number[]): number[] {
  const normal = axes.map((axis) => normalizeAxis('permute', axis, shape.length));
  requireShape(
    normal.length === shape.length && new Set(normal).size === shape.length,
    'permute',
    `axes ${formatShape(axes)} must name each axis of ${formatShape(shape)} once`,
  );
  return normal;
}

export function permuted(shape: Shape, axes: readonly number[]): { shape: number[]; strides: number[] } {
  const strides = stridesOf(shape);
  const normal = checkedAxes(shape, axes);
  return { shape: normal.map((axis) => shape[axis]), strides: normal.map((axis) => strides[axis]) };
}

/** The axes that undo `axes`. */
export function inverseAxes(axes: readonly number[]): number[] {
  const inverse = new Array<number>(axes.length);
  axes.forEach((axis, at) => {
    inverse[axis < 0 ? axis + axes.length : axis] = at;
  });
  return inverse;
}

/** Where the elements of a contiguous tensor of `shape` lie in reverse along some axes. */
export function flipped(shape: Shape, axes: readonly number[]): StridedSide {
  const along = normalizeAxes('flip', axes, shape.length);
  const strides = stridesOf(shape).map((stride, axis) => (along.includes(axis) ? -stride : stride));
  const offset = along.reduce((sum, axis) => sum - strides[axis] * (shape[axis] - 1), 0);
  return { offset, strides };
}

export interface Selection {
  readonly shape: number[];
  readonly offset: number;
  readonly strides: number[];
  /** First index of each axis, from the front, and how far apart the selected ones are. */
  readonly starts: readonly number[];
  readonly steps: readonly number[];
}

/** Where the selected elements lie in a contiguous tensor of `shape`. */
export function select(shape: Shape, { starts, ends, steps }: SliceAttributes): Selection {
  const step = steps ?? shape.map(() => 1);
  const asked = `starts ${formatShape(starts)}, ends ${formatShape(ends)}, steps ${formatShape(step)} of ${formatShape(shape)}`;
  const ranks = [starts, ends, step].map((list) => list.length);
  requireShape(
    ranks.every((rank) => rank === shape.length),
    'slice',
    `${asked}: one number per axis is wanted`,
  );
  requireShape(
    step.every((value) => Number.isInteger(value) && value > 0),
    'slice',
    `${asked}: steps must be positive integers`,
  );
  const first = starts.map((start, axis) => (start < 0 ? start + shape[axis] : start));
  const last = ends.map((end, axis) => Math.min(end < 0 ? end + shape[axis] : end, shape[axis]));
  const extents = first.map((start, axis) => Math.ceil((last[axis] - start) / step[axis]));
  requireShape(
    first.every((start) => Number.isInteger(start) && start >= 0) && extents.every((extent) => extent >= 1),
    'slice',
    `${asked}: nothing is selected, or an index lies outside`,
  );
  const own = stridesOf(shape);
  return {
    shape: extents,
    offset: first.reduce((sum, start, axis) => sum + start * own[axis], 0),
    strides: own.map((stride, axis) => stride * step[axis]),
    starts: first,
    steps: step,
  };
}

/** One side of a strided move: element (i0, i1, …) is at offset + sum of i_k * strides[k]. */
export interface StridedSide {
  readonly offset?: number;
  readonly strides: readonly number[];
}
