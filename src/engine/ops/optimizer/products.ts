/** Inner products of many pairs of gradients and what is done with them (PCGrad's projection, a cosine). No readback. */
import { type Dispatch, gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { elementwisePlan } from '../elementwise.ts';
import type { AxpyAttributes, DotsAttributes, DotTotalsAttributes } from './attributes.ts';
import { slotsFor } from './layout.ts';
import { referenceAxpy, referenceDot, referenceDotSlots, referenceDotTotals } from './reference.ts';

const dotsKernel = kernel('optimizer/dots');

const totalsKernel = kernel('optimizer/dotTotals');

function dotsDispatch(size: number, first: number, slots: 'in2' | 'tmp0'): Dispatch {
  const count = slotsFor(size);
  return {
    kernel: dotsKernel,
    buffers: { a: 'in0', b: 'in1', slots },
    uniforms: { size, first, count },
    workgroups: gridFor(count, 64),
  };
}

/**
 * slots[first + s] = [sum of a b, sum of a², sum of b², 0] over the groups of four elements s, s + count, …
 * Inputs: a and b of one shape; slots of shape [n, 4], updated in place. Tensors of one model share the slots: the totals of a range of
 * slots are the inner products of the gradients laid end to end.
 */
export const dotsProgram = defineProgram<DotsAttributes>({
  name: 'dotsToSlots',
  signature: { inputs: { a: 'float32', b: 'float32', slots: 'float32' }, attributes: { first: 'count' } },
  kernels: [dotsKernel],
  mutates: [2],
  infer([a, b, slots], { first }) {
    requireShape(
      sameShape(a.shape, b.shape),
      'dotsToSlots',
      `shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} differ`,
    );
    const [count = 0, width] = slots.shape;
    const needed = first + slotsFor(sizeOf(a.shape));
    requireShape(
      slots.shape.length === 2 && width === 4 && count >= needed,
      'dotsToSlots',
      `slots of shape ${formatShape(slots.shape)}; ${formatShape(a.shape)} at slot ${first} needs [${needed}, 4]`,
    );
    return [];
  },
  plan: ([a], _outputs, { first }) => ({ dispatches: [dotsDispatch(sizeOf(a.shape), first, 'in2')] }),
  reference(inputs, attributes) {
    referenceDotSlots(inputs, attributes);
    return [];
  },
  cost: ([a]) => ({ flops: 6 * sizeOf(a.shape), bytes: 8 * sizeOf(a.shape) }),
});

/** (slots [n, 4] as `dotsProgram` fills them) → [a·b, a·a, b·b], shape [3], summed over the slots first .. first + count. */
export const dotTotalsProgram = defineProgram<DotTotalsAttributes>({
  name: 'dotTotals',
  signature: { inputs: { slots: 'float32' }, attributes: { first: 'count?', count: 'count' } },
  kernels: [totalsKernel],
  infer([slots], { first = 0, count }) {
    requireShape(
      slots.shape.length === 2 && slots.shape[1] === 4 && first >= 0 && count > 0 && slots.shape[0] >= first + count,
      'dotTotals',
      `slots of shape ${formatShape(slots.shape)}; slots ${first} to ${first + count} need [${first + count}, 4]`,
    );
    return [f32([3])];
  },
  plan: (_inputs, _outputs, { first = 0, count }) => ({
    dispatches: [
      {
        kernel: totalsKernel,
        buffers: { slots: 'in0', totals: 'out0' },
        uniforms: { first, count, width: 3 },
        workgroups: [1, 1, 1],
      },
    ],
  }),
  reference: ([slots], attributes) => [referenceDotTotals(slots, attributes)],
  cost: (_inputs, _outputs, { count }) => ({ flops: 3 * count, bytes: 16 * count }),
});

/** (a, b of one shape) → the sum of a b, shape []. The same kernels, with slots of its own. */
export const dotProgram = defineProgram<object>({
  name: 'dot',
  signature: { inputs: { a: 'float32', b: 'float32' }, attributes: {} },
  kernels: [dotsKernel, totalsKernel],
  infer([a, b]) {
    requireShape(
      sameShape(a.shape, b.shape),
      'dot',
      `shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} differ`,
    );
    return [f32([])];
  },
  plan([a]) {
    const size = sizeOf(a.shape);
    const count = slotsFor(size);
    return {
      scratch: [16 * count],
      dispatches: [
        dotsDispatch(size, 0, 'tmp0'),
        {
          kernel: totalsKernel,
          buffers: { slots: 'tmp0', totals: 'out0' },
          uniforms: { first: 0, count, width: 1 },
          workgroups: [1, 1, 1],
        },
      ],
    };
  },
  reference: ([a, b]) => [Float64Array.of(referenceDot(a, b))],
  cost: ([a]) => ({ flops: 2 * sizeOf(a.shape) }),
});

const axpyKernel = kernel('optimizer/axpy');

/** y += scale * alpha[index] * x in place. Inputs: y and x of one shape; alpha of any shape, on the device. */
export const axpyProgram = defineProgram<AxpyAttributes>({
  name: 'axpy',
  signature: {
    inputs: { y: 'float32', x: 'float32', alpha: 'float32' },
    attributes: { index: 'count?', scale: 'number?' },
  },
  kernels: [axpyKernel],
  mutates: [0],
  infer([y, x, alpha], { index = 0 }) {
    requireShape(
      sameShape(y.shape, x.shape),
      'axpy',
      `x has shape ${formatShape(x.shape)}, y has ${formatShape(y.shape)}`,
    );
    requireShape(
      Number.isInteger(index) && index >= 0 && index < sizeOf(alpha.shape),
      'axpy',
      `alpha of shape ${formatShape(alpha.shape)} has no element ${index}`,
    );
    return [];
  },
  plan: ([y], _outputs, { index = 0, scale = 1 }, target) =>
    elementwisePlan(axpyKernel, { y: 'in0', x: 'in1', alpha: 'in2' }, sizeOf(y.shape), target, {
      uniforms: { index, scale },
    }),
  reference(inputs, attributes) {
    referenceAxpy(inputs, attributes);
    return [];
  },
  cost: ([y]) => ({ flops: 2 * sizeOf(y.shape), bytes: 12 * sizeOf(y.shape) }),
});
