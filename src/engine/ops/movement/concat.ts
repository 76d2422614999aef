/** The program that joins tensors along an axis: any number of them, a dispatch for one or for several. */
import { type Dispatch, gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { normalizeAxis, requireShape, stridesOf } from '../../tensor/shape.ts';
import { formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { storageOf } from '../storage.ts';
import type { ConcatAttributes } from './attributes.ts';
import { beginnings } from './layout.ts';
import { MOVE_KERNELS, MOVE_VERSIONS, moveDispatch } from './move.ts';
import { referenceConcat } from './reference.ts';

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

const concatKernel = kernel('movement/concat');

/** Inputs of one dispatch of movement/concat. */
const TOGETHER = 7;
/** Elements of a result up to which a dispatch costs more than what moving one by one adds to it. */
const SMALL = 65_536;

/** Dispatches over `TOGETHER` inputs each. */
function concatTogether(inputs: readonly TensorSpec[], { shape, dtype }: TensorSpec, axis: number): Dispatch[] {
  const rows = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const places = beginnings([...inputs, { shape }], axis).map((begin) => begin * inner);
  return Array.from({ length: Math.ceil(inputs.length / TOGETHER) }, (_, part): Dispatch => {
    const first = part * TOGETHER;
    const offset = places[first];
    const given = Array.from({ length: TOGETHER }, (_, k) => Math.min(first + k, inputs.length - 1));
    const ends = given.map((index) => places[index + 1] - offset);
    return {
      kernel: concatKernel,
      storage: storageOf({ dtype }),
      buffers: { ...Object.fromEntries(given.map((index, k) => [`x${k}`, `in${index}`] as const)), out: 'out0' },
      uniforms: {
        rows,
        length: shape[axis] * inner,
        offset,
        ...Object.fromEntries(ends.map((end, k) => [`end${k}`, end])),
      },
      workgroups: gridFor(rows * ends[TOGETHER - 1], 64),
    };
  });
}

/** Any number of inputs, whatever the limit of storage buffers per stage: small ones seven to a dispatch, others one. */
export const concatProgram = defineProgram<ConcatAttributes>({
  name: 'concat',
  signature: { inputs: { 'tensors*': 'any' }, attributes: { axis: 'integer' } },
  kernels: [...MOVE_KERNELS, concatKernel],
  versions: [...MOVE_VERSIONS, 'together'],
  infer: (inputs, { axis }) => [inferConcat(inputs, axis)],
  plan(inputs, [out], attributes, target, version) {
    const axis = normalizeAxis('concat', attributes.axis, out.shape.length);
    if (version === 'together' || (version === undefined && sizeOf(out.shape) <= SMALL)) {
      return { dispatches: concatTogether(inputs, out, axis) };
    }
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
  reference: (inputs, { axis }, [out]) => [referenceConcat(inputs, axis, out.shape)],
  cost: () => ({ flops: 0 }),
});
