/** The dispatch that moves a grid element by element. */
import { type BufferReference, type Dispatch, gridFor, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import type { StridedSide } from './layout.ts';

export const stridedKernel = kernel('movement/strided');

/** Moves a grid of `extents` elements; at most six axes of extent above 1. */
export function stridedDispatch(
  op: string,
  extents: Shape,
  from: StridedSide & { readonly buffer: BufferReference },
  to: StridedSide & { readonly buffer: BufferReference },
  storage: StorageFormat,
): Dispatch {
  const axes = extents.flatMap((extent, axis) => (extent > 1 ? [axis] : []));
  requireShape(axes.length <= 6, op, `shape ${formatShape(extents)} has more than six axes of extent above 1`);
  const padded = (values: readonly number[], fill: number) => [
    ...new Array<number>(6 - axes.length).fill(fill),
    ...axes.map((axis) => values[axis]),
  ];
  const numbered = (prefix: string, values: readonly number[]) =>
    Object.fromEntries(values.map((value, axis) => [`${prefix}${axis}`, value]));
  const { extent0: _, ...extentFields } = numbered('extent', padded(extents, 1));
  const size = sizeOf(extents);
  return {
    kernel: stridedKernel,
    storage,
    overrides: { AXES: Math.max(1, axes.length) },
    buffers: { x: from.buffer, out: to.buffer },
    uniforms: {
      size,
      ...extentFields,
      inOffset: from.offset ?? 0,
      ...numbered('in', padded(from.strides, 0)),
      outOffset: to.offset ?? 0,
      ...numbered('out', padded(to.strides, 0)),
    },
    workgroups: gridFor(size, 64),
  };
}
