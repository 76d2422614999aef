/** The programs of the in-place sum of gradients: shapes, plans and cost. */
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { byteLength, formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { elementwisePlan } from '../elementwise.ts';
import { storageOf } from '../storage.ts';
import type { AccumulateAttributes } from './attributes.ts';
import { referenceAccumulate } from './reference.ts';

const accumulateKernel = kernel('accumulate/accumulate');

/** target = target + scale * x, in place: the sum of gradients, each in float32 or float16. */
export const accumulateProgram = defineProgram<AccumulateAttributes>({
  name: 'accumulate',
  signature: { inputs: { target: 'float', x: 'float' }, attributes: { scale: 'number?' } },
  kernels: [accumulateKernel],
  mutates: [0],
  infer([target, x]) {
    requireShape(
      sameShape(target.shape, x.shape),
      'accumulate',
      `${formatShape(x.shape)} cannot be added to ${formatShape(target.shape)} in place`,
    );
    return [];
  },
  plan: ([target, x], _outputs, { scale = 1 }, device) =>
    elementwisePlan(accumulateKernel, { accumulated: 'in0', x: 'in1' }, sizeOf(target.shape), device, {
      uniforms: { scale },
      storage: storageOf(x),
      result: storageOf(target),
    }),
  reference(inputs, attributes) {
    referenceAccumulate(inputs, attributes);
    return [];
  },
  cost: ([target, x]) => ({ flops: 2 * sizeOf(target.shape), bytes: 2 * byteLength(target) + byteLength(x) }),
});
