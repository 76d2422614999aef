/** The programs of the elementwise functions of one argument: shapes, plans and cost. */
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { type Callable, defineProgram, type Program } from '../definition.ts';
import { elementwisePlan } from '../elementwise.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { UNARY_NAMES, type UnaryAttributes, type UnaryName } from './attributes.ts';
import { referenceUnary, referenceUnaryBackward } from './reference.ts';

const forwardKernel = kernel('unary/forward');

const backwardKernel = kernel('unary/backward');

/** PyTorch's functions that give floats of integers; the others give integers, or none. */
const PROMOTED: ReadonlySet<UnaryName> = new Set(['sigmoid', 'tanh', 'exp', 'log', 'sqrt']);

/** y = f(x), any shape. */
export function unaryProgram(name: UnaryName): Callable<UnaryAttributes> {
  return defineProgram<UnaryAttributes>({
    name,
    signature: {
      inputs: { x: PROMOTED.has(name) ? 'promoted' : 'activation' },
      attributes: { scale: 'real?', shift: 'real?' },
    },
    kernels: [forwardKernel],
    infer: ([x]) => [like(x)],
    plan: ([x], _outputs, { scale = 1, shift = 0 }, target) =>
      elementwisePlan(forwardKernel, { x: 'in0', out: 'out0' }, sizeOf(x.shape), target, {
        uniforms: { scale, shift },
        storage: storageOf(x),
        overrides: { FUNCTION: UNARY_NAMES.indexOf(name) },
      }),
    reference: ([x], attributes) => [referenceUnary(name, x, attributes)],
    cost: ([x]) => ({ flops: sizeOf(x.shape) }),
  });
}

/** (gradOutput, x) → gradOutput * f'(x). */
export function unaryBackwardProgram(name: UnaryName): Program<UnaryAttributes> {
  return defineProgram<UnaryAttributes>({
    name: `${name}.backward`,
    kernels: [backwardKernel],
    infer([gradOutput, x]) {
      requireShape(
        sameShape(gradOutput.shape, x.shape),
        `${name}.backward`,
        `a gradient of shape ${formatShape(gradOutput.shape)} for an input of ${formatShape(x.shape)}`,
      );
      requireSameType(`${name}.backward`, [gradOutput, x]);
      return [like(x)];
    },
    plan: ([, x], _outputs, { scale = 1 }, target) =>
      elementwisePlan(backwardKernel, { gradOutput: 'in0', x: 'in1', gradInput: 'out0' }, sizeOf(x.shape), target, {
        uniforms: { scale },
        storage: storageOf(x),
        overrides: { FUNCTION: UNARY_NAMES.indexOf(name) },
      }),
    reference: ([gradOutput, x], attributes) => [referenceUnaryBackward(name, gradOutput, x, attributes)],
    cost: ([, x]) => ({ flops: 2 * sizeOf(x.shape) }),
  });
}

/** scale * x + shift: negation, scaling by a number, adding a number. */
export const affineProgram = unaryProgram('affine');
