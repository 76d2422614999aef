import { resolveReshape } from '../../tensor/shape.ts';
import { byteLength, formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { type Case, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { MOVE_KERNELS, MOVE_VERSIONS, moveDispatch } from './move.ts';

export interface ReshapeAttributes {
  /** At most one extent may be -1: it is filled in. */
  readonly shape: Shape;
}

/**
 * A copy under another shape of the same element count. Tensors need no copy for it: `Engine.view(reshape, tensor, shape,
 * { shape })` shares the memory and records the same gradient.
 */
export const reshapeProgram = defineProgram<ReshapeAttributes>({
  name: 'reshape',
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
  reference: ([x]) => [x.data.slice()],
  cost: () => ({ flops: 0 }),
});

const reshapeCase = (name: string, from: Shape, shape: Shape, purpose: Case['purpose']): Case<ReshapeAttributes> => ({
  name,
  inputs: [{ shape: from }],
  attributes: { shape },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

/** The same elements in row-major order under another shape. */
export const reshape = defineOp<ReshapeAttributes>({
  name: 'reshape',
  forward: reshapeProgram,
  half: 'all',
  gradient: {
    saves: {},
    backward: (context) => [context.reshape(context.gradOutput, context.inputSpecs[0].shape)],
  },
  cases: [
    reshapeCase('odd count', [3, 5], [5, -1], ['test', 'gradient']),
    reshapeCase('to a scalar', [1, 1], [], ['test', 'gradient']),
    reshapeCase('in fours', [4, 6], [2, 3, 4], ['test']),
    reshapeCase('copy, ConvNeXt-T stage 1, N4', [4, 56, 56, 96], [12_544, 96], ['bench']),
  ],
});

/** (destination, source) of one shape and type: destination = source, in place. For weights, moving averages, seeds. */
export const assignProgram = defineProgram<Record<never, never>>({
  name: 'assign',
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
    destination.data.set(source.data);
    return [];
  },
  cost: ([, source]) => ({ flops: 0, bytes: 2 * byteLength(source) }),
});

/** In-place copy: its first input takes the elements of its second. */
export const assign = defineOp<Record<never, never>>({
  name: 'assign',
  forward: assignProgram,
  half: 'all',
  gradient: { none: 'it changes memory that the graph may have saved; use it outside the graph' },
  cases: [
    {
      name: 'odd count',
      inputs: [{ shape: [3, 5] }, { shape: [3, 5] }],
      attributes: {},
      purpose: ['test'],
      tolerance: ELEMENTWISE_TOLERANCE,
    },
    {
      name: 'in fours',
      inputs: [{ shape: [3, 8] }, { shape: [3, 8] }],
      attributes: {},
      purpose: ['test'],
      tolerance: ELEMENTWISE_TOLERANCE,
    },
    {
      name: 'weights, ConvNeXt-T stage 4',
      inputs: [{ shape: [768, 3072] }, { shape: [768, 3072] }],
      attributes: {},
      purpose: ['bench'],
    },
  ],
});
