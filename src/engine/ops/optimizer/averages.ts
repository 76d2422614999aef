/** Moving averages of several tensors per dispatch. */
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import type { AveragesAttributes } from './attributes.ts';
import { HEAD_GROUPS, momentGroups } from './layout.ts';
import { referenceAverages } from './reference.ts';
import { sharedWalk } from './steps.ts';

/** Tensors of one dispatch: WebGPU grants a shader stage 8 storage buffers, of which the state is one. */
const AVERAGED_TENSORS = 7;

/** How many tensors a call may be given, the most first. */
export const AVERAGED_COUNTS: readonly number[] = Array.from(
  { length: AVERAGED_TENSORS },
  (_, k) => AVERAGED_TENSORS - k,
);

const SLOTS = Array.from({ length: AVERAGED_TENSORS }, (_, k) => k);

const averagesKernel = kernel('optimizer/averages');

/**
 * average += weight * (x - average) for up to `AVERAGED_TENSORS` tensors, in place. Inputs: state, whose first float is the weight (1 -
 * decay) and which holds the averages where `first` says; then the tensors.
 */
export const averagesProgram = defineProgram<AveragesAttributes>({
  name: 'averages',
  signature: { inputs: { state: 'float32', 'tensors*': 'float32' }, attributes: { first: 'integers' } },
  kernels: [averagesKernel],
  mutates: [0],
  infer([state, ...tensors], { first }) {
    requireShape(
      tensors.length > 0 && tensors.length <= AVERAGED_TENSORS && first.length === tensors.length,
      'averages',
      `takes a state and 1 to ${AVERAGED_TENSORS} tensors with a place each, got ${tensors.length} and ${first.length} places`,
    );
    tensors.forEach(({ shape }, k) => {
      const end = 4 * (first[k] + momentGroups(sizeOf(shape)));
      requireShape(
        first[k] >= HEAD_GROUPS && sizeOf(state.shape) >= end,
        'averages',
        `the average of tensor ${k} lies before ${end} in a state of shape ${formatShape(state.shape)}`,
      );
    });
    return [];
  },
  plan([, ...tensors], _outputs, { first }, target) {
    const sizes = tensors.map(({ shape }) => sizeOf(shape));
    const { workgroups, overrides, shares } = sharedWalk(
      SLOTS.map((k) => sizes[k] ?? 0),
      target,
    );
    const buffers: Record<string, `in${number}`> = { state: 'in0' };
    const uniforms: Record<string, number> = { ...shares };
    for (const k of SLOTS) {
      // A slot without a tensor has no elements; it may be bound to anything that is only read.
      buffers[`x${k}`] = k < sizes.length ? `in${k + 1}` : 'in1';
      uniforms[`size${k}`] = sizes[k] ?? 0;
      uniforms[`first${k}`] = first[k] ?? 0;
    }
    return { dispatches: [{ kernel: averagesKernel, buffers, workgroups, overrides, uniforms }] };
  },
  reference(inputs, attributes) {
    referenceAverages(inputs, attributes);
    return [];
  },
  cost([, ...tensors]) {
    const size = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return { flops: 3 * size, bytes: 12 * size };
  },
});
