/** The programs that move elements from one layout to another. */
import {
  broadcastShapes,
  broadcastStrides,
  requireExtents,
  requireShape,
  resolveReshape,
  sameShape,
  stridesOf,
} from '../../tensor/shape.ts';
import { byteLength, formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import type {
  ExpandAttributes,
  FlipAttributes,
  PadAttributes,
  PermuteAttributes,
  ReshapeAttributes,
  SliceAttributes,
  UnsliceAttributes,
} from './attributes.ts';
import { BOX_KERNELS, BOX_VERSIONS, boxDispatch } from './box.ts';
import { flipped, interior, permuted, select } from './layout.ts';
import {
  referenceAssign,
  referenceCopy,
  referenceExpand,
  referenceFlip,
  referencePermute,
  referenceSlice,
  referenceUnslice,
} from './reference.ts';
import { MOVE_KERNELS, MOVE_VERSIONS, moveDispatch } from './move.ts';

/** x stretched to `shape` by NumPy's rules (extents of 1 repeat); with an equal shape, a copy. */
export const expandProgram = defineProgram<ExpandAttributes>({
  name: 'expand',
  signature: { inputs: { x: 'any' }, attributes: { shape: 'integers' } },
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer([x], { shape }) {
    requireExtents('expand', shape);
    requireShape(
      sameShape(broadcastShapes('expand', x.shape, shape), shape),
      'expand',
      `${formatShape(x.shape)} does not stretch to ${formatShape(shape)}`,
    );
    return [{ shape, dtype: x.dtype }];
  },
  plan([x], [out], _attributes, target, version) {
    const from = { buffer: 'in0', strides: broadcastStrides(x.shape, out.shape) } as const;
    const to = { buffer: 'out0', strides: stridesOf(out.shape) } as const;
    const dispatch = moveDispatch('expand', out.shape, from, to, target, x.dtype, version);
    return dispatch && { dispatches: [dispatch] };
  },
  reference: ([x], { shape }) => [referenceExpand(x, shape)],
  cost: () => ({ flops: 0 }),
});

export const permuteProgram = defineProgram<PermuteAttributes>({
  name: 'permute',
  signature: { inputs: { x: 'any' }, attributes: { axes: 'integers' } },
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer: ([x], { axes }) => [{ shape: permuted(x.shape, axes).shape, dtype: x.dtype }],
  plan([x], [out], { axes }, target, version) {
    const from = { buffer: 'in0', strides: permuted(x.shape, axes).strides } as const;
    const to = { buffer: 'out0', strides: stridesOf(out.shape) } as const;
    const dispatch = moveDispatch('permute', out.shape, from, to, target, x.dtype, version);
    return dispatch && { dispatches: [dispatch] };
  },
  reference: ([x], { axes }) => [referencePermute(x, axes)],
  cost: () => ({ flops: 0 }),
});

/** x in reverse along some axes. The strides of these are negative, which the kernels' sums without sign wrap around as they should. */
export const flipProgram = defineProgram<FlipAttributes>({
  name: 'flip',
  signature: { inputs: { x: 'any' }, attributes: { axes: 'integers' } },
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer([x], { axes }) {
    flipped(x.shape, axes);
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  plan([x], _outputs, { axes }, target, version) {
    const from = { buffer: 'in0', ...flipped(x.shape, axes) } as const;
    const to = { buffer: 'out0', strides: stridesOf(x.shape) } as const;
    const dispatch = moveDispatch('flip', x.shape, from, to, target, x.dtype, version);
    return dispatch && { dispatches: [dispatch] };
  },
  reference: ([x], { axes }) => [referenceFlip(x, axes)],
  cost: () => ({ flops: 0 }),
});

export const sliceProgram = defineProgram<SliceAttributes>({
  name: 'slice',
  signature: { inputs: { x: 'any' }, attributes: { starts: 'integers', ends: 'integers', steps: 'integers?' } },
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer: ([x], attributes) => [{ shape: select(x.shape, attributes).shape, dtype: x.dtype }],
  plan([x], [out], attributes, target, version) {
    const { offset, strides } = select(x.shape, attributes);
    const from = { buffer: 'in0', offset, strides } as const;
    const to = { buffer: 'out0', strides: stridesOf(out.shape) } as const;
    const dispatch = moveDispatch('slice', out.shape, from, to, target, x.dtype, version);
    return dispatch && { dispatches: [dispatch] };
  },
  reference: ([x], attributes) => [referenceSlice(x, attributes)],
  cost: (_inputs, [out]) => ({ flops: 0, bytes: 2 * byteLength(out) }),
});

/** The opposite of slice: a tensor of `shape` filled with `value`, its selected elements taken from the input. */
export const unsliceProgram = defineProgram<UnsliceAttributes>({
  name: 'slice.backward',
  kernels: BOX_KERNELS,
  versions: BOX_VERSIONS,
  infer([x], attributes) {
    const selected = select(attributes.shape, attributes).shape;
    requireShape(
      sizeOf(selected) === sizeOf(x.shape) && selected.every((extent, axis) => extent === x.shape[axis]),
      'slice.backward',
      `${formatShape(x.shape)} does not fit the selection of ${formatShape(selected)}`,
    );
    return [{ shape: attributes.shape, dtype: x.dtype }];
  },
  plan(_inputs, [{ shape, dtype }], attributes, target, version) {
    const selection = select(shape, attributes);
    const dispatch = boxDispatch('slice.backward', shape, selection, attributes.value ?? 0, target, dtype, version);
    return dispatch && { dispatches: [dispatch] };
  },
  reference: ([x], attributes) => [referenceUnslice(x, attributes)],
  cost: ([x], [out]) => ({ flops: 0, bytes: byteLength(x) + byteLength(out) }),
});

function paddedShape(shape: Shape, { before, after }: PadAttributes): number[] {
  requireShape(
    before.length === shape.length &&
      after.length === shape.length &&
      [...before, ...after].every((count) => Number.isInteger(count) && count >= 0),
    'pad',
    `before ${formatShape(before)} and after ${formatShape(after)} must give one count of at least 0 for each axis of ${formatShape(shape)}`,
  );
  return shape.map((extent, axis) => before[axis] + extent + after[axis]);
}

export const padProgram = defineProgram<PadAttributes>({
  name: 'pad',
  signature: { inputs: { x: 'any' }, attributes: { before: 'integers', after: 'integers', value: 'real?' } },
  kernels: unsliceProgram.kernels,
  versions: unsliceProgram.versions,
  infer: ([x], attributes) => [{ shape: paddedShape(x.shape, attributes), dtype: x.dtype }],
  plan: ([x], [out], attributes, target, version) =>
    unsliceProgram.plan(
      [x],
      [out],
      { ...interior(x.shape, attributes), shape: out.shape, value: attributes.value },
      target,
      version,
    ),
  reference: ([x], attributes, [out]) => [
    referenceUnslice(x, { ...interior(x.shape, attributes), shape: out.shape, value: attributes.value }),
  ],
  cost: ([x], [out]) => ({ flops: 0, bytes: byteLength(x) + byteLength(out) }),
});

/**
 * A copy under another shape of the same element count. Tensors need no copy for it: `Engine.view(reshape, tensor, shape,
 * { shape })` shares the memory and records the same gradient.
 */
export const reshapeProgram = defineProgram<ReshapeAttributes>({
  name: 'reshape',
  signature: { inputs: { x: 'any' }, attributes: { shape: 'integers' } },
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer: ([x], { shape }) => [{ shape: resolveReshape('reshape', x.shape, shape), dtype: x.dtype }],
  plan([x], _outputs, _attributes, target, version) {
    const side = { strides: [1] };
    const extents = [sizeOf(x.shape)];
    const dispatch = moveDispatch(
      'reshape',
      extents,
      { buffer: 'in0', ...side },
      { buffer: 'out0', ...side },
      target,
      x.dtype,
      version,
    );
    return dispatch && { dispatches: [dispatch] };
  },
  reference: ([x]) => [referenceCopy(x)],
  cost: () => ({ flops: 0 }),
});

/** (destination, source) of one shape and type: destination = source, in place. For weights, moving averages, seeds. */
export const assignProgram = defineProgram<NoAttributes>({
  name: 'assign',
  signature: { inputs: { destination: 'any', source: 'any' }, attributes: {} },
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  mutates: [0],
  infer([destination, source]) {
    requireShape(
      sameShape(destination.shape, source.shape) && destination.dtype === source.dtype,
      'assign',
      `${formatShape(source.shape)} ${source.dtype} cannot replace ${formatShape(destination.shape)} ${destination.dtype}`,
    );
    return [];
  },
  plan([, source], _outputs, _attributes, target, version) {
    const side = { strides: [1] };
    const extents = [sizeOf(source.shape)];
    const dispatch = moveDispatch(
      'assign',
      extents,
      { buffer: 'in1', ...side },
      { buffer: 'in0', ...side },
      target,
      source.dtype,
      version,
    );
    return dispatch && { dispatches: [dispatch] };
  },
  reference([destination, source]) {
    referenceAssign(destination, source);
    return [];
  },
  cost: ([, source]) => ({ flops: 0, bytes: 2 * byteLength(source) }),
});
