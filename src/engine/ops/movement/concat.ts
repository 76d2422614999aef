import type { Dispatch } from '../../gpu/kernel.ts';
import { normalizeAxis, requireShape, stridesOf } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { type Case, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { MOVE_KERNELS, MOVE_VERSIONS, moveDispatch } from './move.ts';
import { sliceProgram } from './slice.ts';
import { moveStrided } from './strided.ts';

export interface ConcatAttributes {
  /** Along which axis; negative ones count from the back. */
  readonly axis: number;
}

function inferConcat(inputs: readonly TensorSpec[], axis: number): TensorSpec {
  requireShape(inputs.length > 0, 'concat', 'there is nothing to concatenate');
  const [{ shape, dtype }] = inputs;
  const along = normalizeAxis('concat', axis, shape.length);
  requireShape(
    inputs.every(
      (input) =>
        input.dtype === dtype &&
        input.shape.length === shape.length &&
        input.shape.every((extent, at) => at === along || extent === shape[at]),
    ),
    'concat',
    `${inputs.map((input) => `${formatShape(input.shape)} ${input.dtype}`).join(', ')} differ in type or off axis ${along}`,
  );
  const total = inputs.reduce((sum, input) => sum + input.shape[along], 0);
  return { shape: shape.map((extent, at) => (at === along ? total : extent)), dtype };
}

/** For each input, the index along `axis` where its part of the result begins. */
function beginnings(inputs: readonly { readonly shape: Shape }[], axis: number): number[] {
  let at = 0;
  return inputs.map(({ shape }) => {
    const begin = at;
    at += shape[axis];
    return begin;
  });
}

/** One dispatch an input: any number of inputs, whatever the limit of storage buffers a stage. */
export const concatProgram = defineProgram<ConcatAttributes>({
  name: 'concat',
  kernels: MOVE_KERNELS,
  versions: MOVE_VERSIONS,
  infer: (inputs, { axis }) => [inferConcat(inputs, axis)],
  plan(inputs, [out], attributes, target, version) {
    const axis = normalizeAxis('concat', attributes.axis, out.shape.length);
    const strides = stridesOf(out.shape);
    const dispatches: Dispatch[] = [];
    for (const [index, begin] of beginnings(inputs, axis).entries()) {
      const { shape } = inputs[index];
      const from = { buffer: `in${index}`, strides: stridesOf(shape) } as const;
      const to = { buffer: 'out0', offset: begin * strides[axis], strides } as const;
      const dispatch = moveDispatch('concat', shape, from, to, target, out.dtype, version);
      if (!dispatch) return null;
      dispatches.push(dispatch);
    }
    return { dispatches };
  },
  reference(inputs, attributes, [out]) {
    const axis = normalizeAxis('concat', attributes.axis, out.shape.length);
    const strides = stridesOf(out.shape);
    const data = new Float64Array(sizeOf(out.shape));
    beginnings(inputs, axis).forEach((begin, index) => {
      const from = { data: inputs[index].data, strides: stridesOf(inputs[index].shape) };
      moveStrided(inputs[index].shape, from, { data, offset: begin * strides[axis], strides });
    });
    return [data];
  },
  cost: () => ({ flops: 0 }),
});

const concatCase = (
  name: string,
  shapes: readonly Shape[],
  axis: number,
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<ConcatAttributes> => ({
  name,
  inputs: shapes.map((shape) => ({ shape })),
  attributes: { axis },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

/** Tensors one after another along an axis. */
export const concat = defineOp<ConcatAttributes>({
  name: 'concat',
  forward: concatProgram,
  half: 'all',
  gradient: {
    saves: {},
    backward(context) {
      const axis = normalizeAxis('concat', context.attributes.axis, context.outputSpecs[0].shape.length);
      return beginnings(context.inputSpecs, axis).map((begin, index) => {
        if (!context.needs(index)) return null;
        const { shape } = context.inputSpecs[index];
        const starts = shape.map((_, at) => (at === axis ? begin : 0));
        const ends = shape.map((extent, at) => starts[at] + extent);
        return context.run(sliceProgram, [context.gradOutput], { starts, ends })[0];
      });
    },
  },
  cases: [
    concatCase(
      'rows',
      [
        [2, 3],
        [1, 3],
      ],
      0,
    ),
    concatCase(
      'channels, three inputs',
      [
        [2, 2, 3],
        [2, 2, 1],
        [2, 2, 2],
      ],
      -1,
    ),
    concatCase('one input', [[3, 2]], 1),
    concatCase(
      'channels in fours',
      [
        [2, 3, 3, 8],
        [2, 3, 3, 4],
      ],
      3,
      ['test'],
    ),
    concatCase(
      'nine inputs',
      Array.from({ length: 9 }, (_, index) => [3, index + 1]),
      1,
      ['test'],
    ),
    concatCase(
      'skip connection, U-Net 56, N4',
      [
        [4, 56, 56, 64],
        [4, 56, 56, 64],
      ],
      3,
      ['bench'],
    ),
  ],
});
