import { broadcastShapes, broadcastStrides, requireShape, sameShape, stridesOf } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Case, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { sumTo } from '../reduce/sumTo.ts';
import { MOVE_KERNELS, MOVE_VERSIONS, moveDispatch } from './move.ts';
import { moveStrided } from './strided.ts';

export interface ExpandAttributes {
  readonly shape: Shape;
}

/** x stretched to `shape` by NumPy's rules (extents of 1 repeat); with an equal shape, a copy. */
export const expandProgram = defineProgram<ExpandAttributes>({
  name: 'expand',
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer([x], { shape }) {
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
  reference([x], { shape }) {
    const out = new Float64Array(sizeOf(shape));
    moveStrided(
      shape,
      { data: x.data, strides: broadcastStrides(x.shape, shape) },
      { data: out, strides: stridesOf(shape) },
    );
    return [out];
  },
  cost: () => ({ flops: 0 }),
});

const expandCase = (name: string, from: Shape, shape: Shape, purpose: Case['purpose']): Case<ExpandAttributes> => ({
  name,
  inputs: [{ shape: from }],
  attributes: { shape },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

/** x stretched to a larger shape; its gradient sums over the stretched axes. */
export const expand = defineOp<ExpandAttributes>({
  name: 'expand',
  forward: expandProgram,
  half: 'all',
  gradient: {
    saves: {},
    backward: (context) => [sumTo(context, context.gradOutput, context.inputSpecs[0].shape)],
  },
  cases: [
    expandCase('scalar', [], [2, 3], ['test', 'gradient']),
    expandCase('middle axis', [2, 1, 3], [2, 4, 3], ['test', 'gradient']),
    expandCase('new front axis', [5], [3, 5], ['test', 'gradient']),
    expandCase('rows in fours', [2, 1, 8], [2, 3, 8], ['test']),
    expandCase('pooled features back to a map, ConvNeXt-T stage 4', [8, 1, 1, 768], [8, 7, 7, 768], ['bench']),
  ],
});
