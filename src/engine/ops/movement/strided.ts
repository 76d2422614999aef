/** The dispatch that moves a grid element by element. */
import type { BufferReference, Dispatch, PlanTarget, StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { axisFields, walkOver } from '../elementwise.ts';
import type { StridedSide } from './layout.ts';

export const stridedKernel = kernel('movement/strided');

/** Moves a grid of `extents` elements; at most six axes of extent above 1. */
export function stridedDispatch(
  op: string,
  extents: Shape,
  from: StridedSide & { readonly buffer: BufferReference },
  to: StridedSide & { readonly buffer: BufferReference },
  target: PlanTarget,
  storage: StorageFormat,
): Dispatch {
  const axes = extents.flatMap((extent, axis) => (extent > 1 ? [axis] : []));
  requireShape(axes.length <= 6, op, `shape ${formatShape(extents)} has more than six axes of extent above 1`);
  const numbered = (prefix: string, values: readonly number[]) =>
    Object.fromEntries(
      [...new Array<number>(6 - axes.length).fill(0), ...axes.map((axis) => values[axis])].map((value, axis) => [
        `${prefix}${axis}`,
        value,
      ]),
    );
  const size = sizeOf(extents);
  const walk = walkOver(size, target);
  return {
    kernel: stridedKernel,
    storage,
    overrides: { ...walk.overrides, AXES: Math.max(1, axes.length) },
    buffers: { x: from.buffer, out: to.buffer },
    uniforms: {
      size,
      share: walk.share,
      ...axisFields(
        axes.map((axis) => extents[axis]),
        walk,
      ),
      inOffset: from.offset ?? 0,
      ...numbered('in', from.strides),
      outOffset: to.offset ?? 0,
      ...numbered('out', to.strides),
    },
    workgroups: walk.workgroups,
  };
}
