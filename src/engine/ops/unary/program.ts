import { gridFor, type KernelDefinition, type Plan, type PlanTarget, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram, type Program } from '../definition.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { unaryDerivative, unaryFunction } from './reference.ts';

/** In the order of the switch in shaders/common/unaryFunction.wgsl. */
export const UNARY_NAMES = [
  'gelu',
  'geluTanh',
  'relu',
  'silu',
  'sigmoid',
  'tanh',
  'exp',
  'log',
  'affine',
  'sqrt',
  'square',
  'abs',
  'softplus',
] as const;

export type UnaryName = (typeof UNARY_NAMES)[number];

/** `scale * x + shift` for affine; the other functions have no use for them. */
export interface UnaryAttributes {
  readonly scale?: number;
  readonly shift?: number;
}

const forwardKernel = kernel('unary/forward');

const backwardKernel = kernel('unary/backward');

/** One dispatch over `size` elements in groups of four, each thread taking several on software adapters. */
export function elementwisePlan(
  kernel: KernelDefinition,
  buffers: Plan['dispatches'][number]['buffers'],
  size: number,
  target: PlanTarget,
  settings: {
    uniforms?: Record<string, number>;
    overrides?: Record<string, number>;
    storage?: StorageFormat;
    result?: StorageFormat;
  } = {},
): Plan {
  const groupsPerThread = target.deviceClass === 'software' ? 16 : 2;
  const workgroups = gridFor(Math.ceil(size / 4 / groupsPerThread), 64);
  const stride = workgroups[0] * workgroups[1] * 64;
  return {
    dispatches: [{ ...settings, kernel, buffers, workgroups, uniforms: { size, stride, ...settings.uniforms } }],
  };
}

/** y = f(x), any shape. */
export function unaryProgram(name: UnaryName): Program<UnaryAttributes> {
  return defineProgram<UnaryAttributes>({
    name,
    kernels: [forwardKernel],
    infer: ([x]) => [like(x)],
    plan: ([x], _outputs, { scale = 1, shift = 0 }, target) =>
      elementwisePlan(forwardKernel, { x: 'in0', out: 'out0' }, sizeOf(x.shape), target, {
        uniforms: { scale, shift },
        storage: storageOf(x),
        overrides: { FUNCTION: UNARY_NAMES.indexOf(name) },
      }),
    reference: ([x], attributes) => [x.data.map((value) => unaryFunction(name, value, attributes))],
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
    reference: ([gradOutput, x], attributes) => [
      x.data.map((value, i) => gradOutput.data[i] * unaryDerivative(name, value, attributes)),
    ],
    cost: ([, x]) => ({ flops: 2 * sizeOf(x.shape) }),
  });
}

/** scale * x + shift: negation, scaling by a number, adding a number. */
export const affineProgram = unaryProgram('affine');
