/** The program of the choice between two tensors. */
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { elementwisePlan } from '../elementwise.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { referenceWhere } from './reference.ts';

const whereKernel = kernel('where/where');

/** (condition, a, b), all of one shape → a where the condition is not 0, else b. */
export const whereProgram = defineProgram<NoAttributes>({
  name: 'where',
  signature: { inputs: { condition: 'activation', a: 'activation', b: 'activation' }, attributes: {} },
  kernels: [whereKernel],
  infer(inputs) {
    const [condition, a, b] = inputs;
    requireShape(
      sameShape(condition.shape, a.shape) && sameShape(a.shape, b.shape),
      'where',
      `condition ${formatShape(condition.shape)}, a ${formatShape(a.shape)} and b ${formatShape(b.shape)} must have one shape`,
    );
    requireSameType('where', inputs);
    return [like(a)];
  },
  plan: ([, a], _outputs, _attributes, target) =>
    elementwisePlan(whereKernel, { condition: 'in0', a: 'in1', b: 'in2', out: 'out0' }, sizeOf(a.shape), target, {
      storage: storageOf(a),
    }),
  reference: (inputs) => [referenceWhere(inputs)],
  cost: ([, a]) => ({ flops: sizeOf(a.shape) }),
});
