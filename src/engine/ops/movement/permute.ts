import { normalizeAxis, requireShape, stridesOf } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Case, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { MOVE_KERNELS, MOVE_VERSIONS, moveDispatch } from './move.ts';
import { moveStrided } from './strided.ts';

export interface PermuteAttributes {
  /** Axis k of the result is axis `axes[k]` of the input; negative ones count from the back. */
  readonly axes: readonly number[];
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

function permuted(shape: Shape, axes: readonly number[]): { shape: number[]; strides: number[] } {
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

export const permuteProgram = defineProgram<PermuteAttributes>({
  name: 'permute',
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer: ([x], { axes }) => [{ shape: permuted(x.shape, axes).shape, dtype: x.dtype }],
  plan([x], [out], { axes }, target, version) {
    const from = { buffer: 'in0', strides: permuted(x.shape, axes).strides } as const;
    const to = { buffer: 'out0', strides: stridesOf(out.shape) } as const;
    const dispatch = moveDispatch('permute', out.shape, from, to, target, x.dtype, version);
    return dispatch && { dispatches: [dispatch] };
  },
  reference([x], { axes }, [out]) {
    const data = new Float64Array(sizeOf(out.shape));
    const { strides } = permuted(x.shape, axes);
    moveStrided(out.shape, { data: x.data, strides }, { data, strides: stridesOf(out.shape) });
    return [data];
  },
  cost: () => ({ flops: 0 }),
});

const permuteCase = (
  name: string,
  shape: Shape,
  axes: readonly number[],
  purpose: Case['purpose'],
): Case<PermuteAttributes> => ({
  name,
  inputs: [{ shape }],
  attributes: { axes },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

/** Axes in another order (a copy), as torch.permute. */
export const permute = defineOp<PermuteAttributes>({
  name: 'permute',
  forward: permuteProgram,
  half: 'all',
  gradient: {
    saves: {},
    backward: (context) =>
      context.run(permuteProgram, [context.gradOutput], { axes: inverseAxes(context.attributes.axes) }),
  },
  cases: [
    permuteCase('matrix', [3, 5], [1, 0], ['test', 'gradient']),
    permuteCase('NHWC to NCHW', [2, 3, 5, 4], [0, 3, 1, 2], ['test', 'gradient']),
    permuteCase('last axis stays', [2, 3, 4, 8], [1, 0, 2, -1], ['test']),
    permuteCase('nothing moves', [2, 3, 4], [0, 1, 2], ['test']),
    permuteCase('rank 6', [2, 3, 1, 2, 3, 2], [5, 0, 3, 2, 1, 4], ['test']),
    permuteCase('image to NHWC, N4', [4, 3, 224, 224], [0, 2, 3, 1], ['bench']),
  ],
});
