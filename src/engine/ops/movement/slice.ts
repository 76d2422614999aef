import { requireShape, stridesOf } from '../../tensor/shape.ts';
import { byteLength, formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Case, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { fillDispatch, fillKernel } from './fill.ts';
import { MOVE_KERNELS, MOVE_VERSIONS, moveDispatch } from './move.ts';
import { moveStrided } from './strided.ts';

export interface SliceAttributes {
  /** First index of each axis; negative ones count from the back. */
  readonly starts: readonly number[];
  /** One past the last index of each axis; negative ones count from the back, those past the end mean the end. */
  readonly ends: readonly number[];
  /** Positive steps; 1 each where left out. */
  readonly steps?: readonly number[];
}

interface Selection {
  readonly shape: number[];
  readonly offset: number;
  readonly strides: number[];
}

/** Where the selected elements lie in a contiguous tensor of `shape`. */
function select(shape: Shape, { starts, ends, steps }: SliceAttributes): Selection {
  const step = steps ?? shape.map(() => 1);
  const asked = `starts ${formatShape(starts)}, ends ${formatShape(ends)}, steps ${formatShape(step)} of ${formatShape(shape)}`;
  const ranks = [starts, ends, step].map((list) => list.length);
  requireShape(
    ranks.every((rank) => rank === shape.length),
    'slice',
    `${asked}: one number an axis is wanted`,
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
  };
}

export const sliceProgram = defineProgram<SliceAttributes>({
  name: 'slice',
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer: ([x], attributes) => [{ shape: select(x.shape, attributes).shape, dtype: x.dtype }],
  plan([x], [out], attributes, target, version) {
    const from = { buffer: 'in0', ...select(x.shape, attributes) } as const;
    const to = { buffer: 'out0', strides: stridesOf(out.shape) } as const;
    const dispatch = moveDispatch('slice', out.shape, from, to, target, x.dtype, version);
    return dispatch && { dispatches: [dispatch] };
  },
  reference([x], attributes, [out]) {
    const data = new Float64Array(sizeOf(out.shape));
    moveStrided(out.shape, { data: x.data, ...select(x.shape, attributes) }, { data, strides: stridesOf(out.shape) });
    return [data];
  },
  cost: (_inputs, [out]) => ({ flops: 0, bytes: 2 * byteLength(out) }),
});

export interface UnsliceAttributes extends SliceAttributes {
  /** Shape of the result. */
  readonly shape: Shape;
  /** What the elements that are not selected get. Default 0. */
  readonly value?: number;
}

/** The opposite of slice: a tensor of `shape` filled with `value`, its selected elements taken from the input. */
export const unsliceProgram = defineProgram<UnsliceAttributes>({
  name: 'slice.backward',
  kernels: [fillKernel, ...MOVE_KERNELS],
  versions: MOVE_VERSIONS,
  infer([x], attributes) {
    const selected = select(attributes.shape, attributes).shape;
    requireShape(
      sizeOf(selected) === sizeOf(x.shape) && selected.every((extent, axis) => extent === x.shape[axis]),
      'slice.backward',
      `${formatShape(x.shape)} does not fit the selection of ${formatShape(selected)}`,
    );
    return [{ shape: attributes.shape, dtype: x.dtype }];
  },
  plan([x], [out], attributes, target, version) {
    const { offset, strides } = select(out.shape, attributes);
    const from = { buffer: 'in0', strides: stridesOf(x.shape) } as const;
    const dispatch = moveDispatch(
      'slice.backward',
      x.shape,
      from,
      { buffer: 'out0', offset, strides },
      target,
      x.dtype,
      version,
    );
    const whole = sizeOf(x.shape) === sizeOf(out.shape);
    const filled = whole ? [] : [fillDispatch('out0', sizeOf(out.shape), attributes.value ?? 0, out.dtype, target)];
    return dispatch && { dispatches: [...filled, dispatch] };
  },
  reference([x], attributes, [out]) {
    const data = new Float64Array(sizeOf(out.shape)).fill(attributes.value ?? 0);
    const { offset, strides } = select(out.shape, attributes);
    moveStrided(x.shape, { data: x.data, strides: stridesOf(x.shape) }, { data, offset, strides });
    return [data];
  },
  cost: ([x], [out]) => ({ flops: 0, bytes: byteLength(x) + byteLength(out) }),
});

const sliceCase = (
  name: string,
  shape: Shape,
  attributes: SliceAttributes,
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<SliceAttributes> => ({ name, inputs: [{ shape }], attributes, purpose, tolerance: ELEMENTWISE_TOLERANCE });

/** A box (with `steps`, a lattice) out of a tensor: x[start:end:step] along each axis, as NumPy. */
export const slice = defineOp<SliceAttributes>({
  name: 'slice',
  forward: sliceProgram,
  half: 'all',
  programs: [unsliceProgram],
  gradient: {
    saves: {},
    backward: (context) =>
      context.run(unsliceProgram, [context.gradOutput], {
        ...context.attributes,
        shape: context.inputSpecs[0].shape,
      }),
  },
  cases: [
    sliceCase('rows', [5, 3], { starts: [1, 0], ends: [4, 3] }),
    sliceCase('box, negative indices', [3, 4, 5], { starts: [0, -3, 1], ends: [2, -1, 99] }),
    sliceCase('steps', [7, 4], { starts: [1, 0], ends: [7, 4], steps: [2, 3] }),
    sliceCase('channels in fours', [2, 3, 3, 12], { starts: [0, 0, 1, 4], ends: [2, 3, 3, 12] }, ['test']),
    sliceCase('all of it', [3, 8], { starts: [0, 0], ends: [3, 8] }, ['test']),
    sliceCase(
      'half of the channels, U-Net 56, N4',
      [4, 56, 56, 128],
      { starts: [0, 0, 0, 64], ends: [4, 56, 56, 128] },
      ['bench'],
    ),
  ],
});
