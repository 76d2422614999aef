/** The programs that walk over elements of one tensor: moving average, exchange, scaling. */
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { elementwisePlan } from '../elementwise.ts';
import type { SwapAttributes } from './attributes.ts';
import { momentGroups } from './layout.ts';
import { referenceEma, referenceGuardedScale, referenceSwap } from './reference.ts';

/** Throws unless the first `count` inputs have one shape and the rest four elements (hyper, guard). */
function requireInputs(op: string, inputs: readonly TensorSpec[], count: number, total: number): void {
  requireShape(inputs.length === total, op, `takes ${total} inputs, got ${inputs.length}`);
  inputs.forEach(({ shape }, index) => {
    if (index < count) {
      const first = inputs[0].shape;
      requireShape(
        sameShape(shape, first),
        op,
        `input ${index} has shape ${formatShape(shape)}, the parameter has ${formatShape(first)}`,
      );
    } else {
      requireShape(
        sameShape(shape, [4]),
        op,
        `input ${index} has shape ${formatShape(shape)}; hyper and guard have [4]`,
      );
    }
  });
}

const emaKernel = kernel('optimizer/ema');

/** average += hyper[0] * (x - average) in place: hyper[0] is 1 - decay. Inputs: average, x of one shape; hyper of shape [4]. */
export const emaProgram = defineProgram<object>({
  name: 'emaStep',
  signature: { inputs: { average: 'float32', x: 'float32', hyper: 'float32' }, attributes: {} },
  kernels: [emaKernel],
  mutates: [0],
  infer(inputs) {
    requireInputs('emaStep', inputs, 2, 3);
    return [];
  },
  plan: ([average], _outputs, _attributes, target) =>
    elementwisePlan(emaKernel, { average: 'in0', x: 'in1', hyper: 'in2' }, sizeOf(average.shape), target),
  reference(inputs) {
    referenceEma(inputs);
    return [];
  },
  cost: ([average]) => ({ flops: 3 * sizeOf(average.shape), bytes: 12 * sizeOf(average.shape) }),
});

const swapKernel = kernel('optimizer/swap');

/** Exchanges the contents of x and as many elements of a state. */
export const swapProgram = defineProgram<SwapAttributes>({
  name: 'swap',
  signature: { inputs: { x: 'float32', state: 'float32' }, attributes: { first: 'count' } },
  kernels: [swapKernel],
  mutates: [0, 1],
  infer([x, state], { first }) {
    requireShape(
      sizeOf(state.shape) >= 4 * (first + momentGroups(sizeOf(x.shape))),
      'swap',
      `${formatShape(x.shape)} does not fit into a state of shape ${formatShape(state.shape)} from group ${first} on`,
    );
    return [];
  },
  plan: ([x], _outputs, { first }, target) =>
    elementwisePlan(swapKernel, { x: 'in0', state: 'in1' }, sizeOf(x.shape), target, { uniforms: { first } }),
  reference(inputs, attributes) {
    referenceSwap(inputs, attributes);
    return [];
  },
  cost: ([x]) => ({ flops: 0, bytes: 16 * sizeOf(x.shape) }),
});

const scaleKernel = kernel('optimizer/scale');

/** x *= guard[0] in place, unless guard[2] (nonFinite) is set. Inputs: x; guard of shape [4]. */
export const guardedScaleProgram = defineProgram<object>({
  name: 'guardedScale',
  signature: { inputs: { x: 'float32', guard: 'float32' }, attributes: {} },
  kernels: [scaleKernel],
  mutates: [0],
  infer(inputs) {
    requireInputs('guardedScale', inputs, 1, 2);
    return [];
  },
  plan: ([x], _outputs, _attributes, target) =>
    elementwisePlan(scaleKernel, { x: 'in0', guard: 'in1' }, sizeOf(x.shape), target),
  reference(inputs) {
    referenceGuardedScale(inputs);
    return [];
  },
  cost: ([x]) => ({ flops: sizeOf(x.shape), bytes: 8 * sizeOf(x.shape) }),
});
