/** The programs that walk over elements of a parameter: optimiser steps, moving average, exchange, scaling. */
import type { KernelDefinition } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineKernel, defineProgram } from '../definition.ts';
import { elementwisePlan } from '../unary/program.ts';

const walk = { size: 'u32', stride: 'u32' } as const;
const readWrite = (name: string) => ({ name, access: 'read_write', type: 'vec4f' }) as const;
const read = (name: string) => ({ name, access: 'read', type: 'vec4f' }) as const;

/** Throws unless the first `count` inputs have one shape and the rest four elements (hyper, gate). */
export function requireInputs(op: string, inputs: readonly TensorSpec[], count: number, total: number): void {
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
        `input ${index} has shape ${formatShape(shape)}; hyper and gate have [4]`,
      );
    }
  });
}

const adamwKernel: KernelDefinition = defineKernel({
  name: 'optimizer/adamw',
  bindings: [readWrite('parameter'), read('grad'), readWrite('m'), readWrite('v'), read('hyper'), read('gate')],
  uniforms: {
    ...walk,
    lrScale: 'f32',
    weightDecay: 'f32',
    beta1: 'f32',
    rest1: 'f32',
    beta2: 'f32',
    rest2: 'f32',
    eps: 'f32',
  },
});

export interface AdamwAttributes {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Decoupled: the parameter shrinks by lr * weightDecay of itself. */
  readonly weightDecay: number;
  /** Multiplies the learning rate for this parameter. Default 1. */
  readonly lrScale?: number;
}

/**
 * One AdamW step in place (Loshchilov and Hutter 2019, algorithm 2, as torch.optim.AdamW). Inputs: parameter, grad, m, v of one
 * shape; hyper [lr, 1 / bias1, 1 / sqrt(bias2), unused] with bias = 1 - beta^step; gate as `clipGateProgram` writes it.
 */
export const adamwProgram = defineProgram<AdamwAttributes>({
  name: 'adamwStep',
  kernels: [adamwKernel],
  mutates: [0, 2, 3],
  infer(inputs) {
    requireInputs('adamwStep', inputs, 4, 6);
    return [];
  },
  plan: ([parameter], _outputs, { beta1, beta2, eps, weightDecay, lrScale = 1 }, target) =>
    elementwisePlan(
      adamwKernel,
      { parameter: 'in0', grad: 'in1', m: 'in2', v: 'in3', hyper: 'in4', gate: 'in5' },
      sizeOf(parameter.shape),
      target,
      { uniforms: { lrScale, weightDecay, beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, eps } },
    ),
  reference([parameter, grad, m, v, hyper, gate], { beta1, beta2, eps, weightDecay, lrScale = 1 }) {
    const [lr, inverseBias1, inverseRootBias2] = hyper.data;
    const [gradScale, , nonFinite] = gate.data;
    if (nonFinite !== 0) return [];
    for (let i = 0; i < parameter.data.length; i++) {
      const g = gradScale * grad.data[i];
      m.data[i] = beta1 * m.data[i] + (1 - beta1) * g;
      v.data[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
      const decayed = parameter.data[i] * (1 - lr * lrScale * weightDecay);
      const denominator = Math.sqrt(v.data[i]) * inverseRootBias2 + eps;
      parameter.data[i] = decayed - (lr * lrScale * inverseBias1 * m.data[i]) / denominator;
    }
    return [];
  },
  cost: ([parameter]) => ({ flops: 14 * sizeOf(parameter.shape), bytes: 28 * sizeOf(parameter.shape) }),
});

const sgdKernel: KernelDefinition = defineKernel({
  name: 'optimizer/sgd',
  bindings: [readWrite('parameter'), read('grad'), readWrite('velocity'), read('hyper'), read('gate')],
  uniforms: { ...walk, lrScale: 'f32', weightDecay: 'f32', momentum: 'f32', nesterov: 'u32' },
});

export interface SgdAttributes {
  readonly momentum: number;
  readonly nesterov: boolean;
  /** L2: joins the gradient, and so the velocity. */
  readonly weightDecay: number;
  /** Multiplies the learning rate for this parameter. Default 1. */
  readonly lrScale?: number;
}

/**
 * One step of SGD with momentum in place, as torch.optim.SGD with dampening 0. Inputs: parameter, grad, velocity of one shape;
 * hyper [lr, unused, unused, unused]; gate as `clipGateProgram` writes it.
 */
export const sgdProgram = defineProgram<SgdAttributes>({
  name: 'sgdStep',
  kernels: [sgdKernel],
  mutates: [0, 2],
  infer(inputs) {
    requireInputs('sgdStep', inputs, 3, 5);
    return [];
  },
  plan: ([parameter], _outputs, { momentum, nesterov, weightDecay, lrScale = 1 }, target) =>
    elementwisePlan(
      sgdKernel,
      { parameter: 'in0', grad: 'in1', velocity: 'in2', hyper: 'in3', gate: 'in4' },
      sizeOf(parameter.shape),
      target,
      { uniforms: { lrScale, weightDecay, momentum, nesterov: Number(nesterov) } },
    ),
  reference([parameter, grad, velocity, hyper, gate], { momentum, nesterov, weightDecay, lrScale = 1 }) {
    const lr = hyper.data[0] * lrScale;
    const [gradScale, , nonFinite] = gate.data;
    if (nonFinite !== 0) return [];
    for (let i = 0; i < parameter.data.length; i++) {
      const g = gradScale * grad.data[i] + weightDecay * parameter.data[i];
      velocity.data[i] = momentum * velocity.data[i] + g;
      parameter.data[i] -= lr * (nesterov ? g + momentum * velocity.data[i] : velocity.data[i]);
    }
    return [];
  },
  cost: ([parameter]) => ({ flops: 9 * sizeOf(parameter.shape), bytes: 20 * sizeOf(parameter.shape) }),
});

const emaKernel: KernelDefinition = defineKernel({
  name: 'optimizer/ema',
  bindings: [readWrite('average'), read('x'), read('hyper')],
  uniforms: walk,
});

/** average += hyper[0] * (x - average) in place: hyper[0] is 1 - decay. Inputs: average, x of one shape; hyper of shape [4]. */
export const emaProgram = defineProgram<object>({
  name: 'emaStep',
  kernels: [emaKernel],
  mutates: [0],
  infer(inputs) {
    requireInputs('emaStep', inputs, 2, 3);
    return [];
  },
  plan: ([average], _outputs, _attributes, target) =>
    elementwisePlan(emaKernel, { average: 'in0', x: 'in1', hyper: 'in2' }, sizeOf(average.shape), target),
  reference([average, x, hyper]) {
    for (let i = 0; i < average.data.length; i++) average.data[i] += hyper.data[0] * (x.data[i] - average.data[i]);
    return [];
  },
  cost: ([average]) => ({ flops: 3 * sizeOf(average.shape), bytes: 12 * sizeOf(average.shape) }),
});

const swapKernel: KernelDefinition = defineKernel({
  name: 'optimizer/swap',
  bindings: [
    { name: 'a', access: 'read_write', type: 'vec4u' },
    { name: 'b', access: 'read_write', type: 'vec4u' },
  ],
  uniforms: walk,
});

/** Exchanges the contents of two tensors of one shape. */
export const swapProgram = defineProgram<object>({
  name: 'swap',
  kernels: [swapKernel],
  mutates: [0, 1],
  infer(inputs) {
    requireInputs('swap', inputs, 2, 2);
    return [];
  },
  plan: ([a], _outputs, _attributes, target) =>
    elementwisePlan(swapKernel, { a: 'in0', b: 'in1' }, sizeOf(a.shape), target),
  reference([a, b]) {
    const kept = a.data.slice();
    a.data.set(b.data);
    b.data.set(kept);
    return [];
  },
  cost: ([a]) => ({ flops: 0, bytes: 16 * sizeOf(a.shape) }),
});

const scaleKernel: KernelDefinition = defineKernel({
  name: 'optimizer/scale',
  bindings: [readWrite('x'), read('gate')],
  uniforms: walk,
});

/** x *= gate[0] in place, unless gate[2] (nonFinite) is set. Inputs: x; gate of shape [4]. */
export const gatedScaleProgram = defineProgram<object>({
  name: 'gatedScale',
  kernels: [scaleKernel],
  mutates: [0],
  infer(inputs) {
    requireInputs('gatedScale', inputs, 1, 2);
    return [];
  },
  plan: ([x], _outputs, _attributes, target) =>
    elementwisePlan(scaleKernel, { x: 'in0', gate: 'in1' }, sizeOf(x.shape), target),
  reference([x, gate]) {
    if (gate.data[2] === 0) for (let i = 0; i < x.data.length; i++) x.data[i] *= gate.data[0];
    return [];
  },
  cost: ([x]) => ({ flops: sizeOf(x.shape), bytes: 8 * sizeOf(x.shape) }),
});
