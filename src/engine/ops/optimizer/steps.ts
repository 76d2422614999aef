/** Optimiser steps over several parameters a dispatch: AdamW, SGD. */
import { DEFAULT_LIMITS, gridFor, type KernelDefinition, type Plan, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { type Callable, defineProgram } from '../definition.ts';
import type { Signature } from '../signature.ts';
import type { AdamwAttributes, SgdAttributes, StepAttributes } from './attributes.ts';
import { HEAD_GROUPS, momentGroups } from './layout.ts';
import { referenceStep, updateAdamw, type UpdateReference, updateSgd } from './reference.ts';

/** Groups of four floats that a state has at most, so that any adapter can bind it; unless a single parameter needs more. */
export const MOST_STATE_GROUPS = DEFAULT_LIMITS.maxStorageBufferBindingSize / 16;

/**
 * Parameters that one dispatch updates: WebGPU grants a shader stage 8 storage buffers, of which the state and the guard are two, and
 * a parameter and its gradient are two each.
 */
export const STEP_PARAMETERS = 3;

const SLOTS = [0, 1, 2] as const;

/** Threads that walk over `sizes` elements in groups of four, one tensor after the other: as many as the largest can use. */
export function sharedWalk(
  sizes: readonly number[],
  target: PlanTarget,
): Pick<Plan['dispatches'][number], 'workgroups'> & {
  readonly stride: number;
} {
  const groupsPerThread = target.deviceClass === 'software' ? 16 : 2;
  const workgroups = gridFor(Math.ceil(Math.max(...sizes) / 4 / groupsPerThread), 64);
  return { workgroups, stride: workgroups[0] * workgroups[1] * 64 };
}

function stepProgram<A extends StepAttributes>(
  name: string,
  count: number,
  moments: number,
  kernel: KernelDefinition,
  uniforms: (attributes: A) => Record<string, number>,
  update: UpdateReference<A>,
  flops: number,
  attributes: Signature<A>['attributes'],
): Callable<A> {
  const parameters = Array.from({ length: count }, (_, k) => 2 + 2 * k);
  return defineProgram<A>({
    name: count === 1 ? name : `${name}.${count}`,
    signature: { inputs: { state: 'float32', guard: 'float32', 'parameters*': 'float32' }, attributes },
    kernels: [kernel],
    mutates: [0, ...parameters],
    infer(inputs, { slots }) {
      const [state, guard] = inputs;
      requireShape(
        inputs.length === 2 + 2 * count && slots.length === count,
        name,
        `takes a state, a guard and ${count} pairs of parameter and gradient with a slot each, got ${inputs.length} inputs and ${slots.length} slots`,
      );
      requireShape(sameShape(guard.shape, [4]), name, `the guard has shape ${formatShape(guard.shape)}, not [4]`);
      slots.forEach(({ first }, k) => {
        const [parameter, grad] = inputs.slice(2 + 2 * k);
        requireShape(
          sameShape(parameter.shape, grad.shape),
          name,
          `gradient ${k} has shape ${formatShape(grad.shape)}, its parameter ${formatShape(parameter.shape)}`,
        );
        const end = 4 * (first + moments * momentGroups(sizeOf(parameter.shape)));
        requireShape(
          first >= HEAD_GROUPS && sizeOf(state.shape) >= end,
          name,
          `parameter ${k} has its moments up to ${end} of a state of shape ${formatShape(state.shape)}`,
        );
      });
      return [];
    },
    plan(inputs, _outputs, attributes, target) {
      const sizes = parameters.map((index) => sizeOf(inputs[index].shape));
      const { workgroups, stride } = sharedWalk(sizes, target);
      const buffers: Record<string, `in${number}` | `tmp${number}`> = { state: 'in0', guard: 'in1' };
      const slotted: Record<string, number> = {};
      const scratch: number[] = [];
      for (const k of SLOTS) {
        const given = k < count;
        // Slots without a parameter have no elements; a writable binding still wants memory that no other binding has.
        if (!given) scratch.push(16);
        buffers[`parameter${k}`] = given ? `in${2 + 2 * k}` : `tmp${scratch.length - 1}`;
        buffers[`grad${k}`] = given ? `in${3 + 2 * k}` : 'in1';
        const { first, lrScale, weightDecay } = attributes.slots[k] ?? { first: 0, lrScale: 0, weightDecay: 0 };
        slotted[`size${k}`] = given ? sizes[k] : 0;
        slotted[`first${k}`] = first;
        slotted[`lrScale${k}`] = lrScale;
        slotted[`weightDecay${k}`] = weightDecay;
      }
      return {
        dispatches: [{ kernel, buffers, workgroups, uniforms: { stride, ...uniforms(attributes), ...slotted } }],
        scratch,
      };
    },
    reference(inputs, attributes) {
      referenceStep(inputs, attributes, moments, update);
      return [];
    },
    cost(inputs: readonly TensorSpec[]) {
      const size = parameters.reduce((sum, index) => sum + sizeOf(inputs[index].shape), 0);
      return { flops: flops * size, bytes: 4 * (3 + 2 * moments) * size };
    },
  });
}

const adamwKernel = kernel('optimizer/adamw');

const adamwProgram = (count: number): Callable<AdamwAttributes> =>
  stepProgram<AdamwAttributes>(
    'adamwStep',
    count,
    2,
    adamwKernel,
    ({ beta1, beta2, eps }) => ({ beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, eps }),
    updateAdamw,
    14,
    { slots: 'records', beta1: 'number', beta2: 'number', eps: 'number' },
  );

/**
 * One AdamW step in place (Loshchilov and Hutter 2019, algorithm 2, as torch.optim.AdamW) of 1, 2 or 3 parameters: the program of n
 * is at n - 1. Inputs: state, whose first four floats are [lr, 1 / bias1, 1 / sqrt(bias2), unused] with bias = 1 - beta^step, and which
 * holds m and then v of each parameter where its slot says; guard as `clipGateProgram` writes it; then parameter, gradient, in pairs.
 */
export const adamwPrograms = SLOTS.map((k) => adamwProgram(k + 1));

const sgdKernel = kernel('optimizer/sgd');

const sgdProgram = (count: number): Callable<SgdAttributes> =>
  stepProgram<SgdAttributes>(
    'sgdStep',
    count,
    1,
    sgdKernel,
    ({ momentum, nesterov }) => ({ momentum, nesterov: Number(nesterov) }),
    updateSgd,
    9,
    { slots: 'records', momentum: 'number', nesterov: 'flag' },
  );

/**
 * One step of SGD with momentum in place, as torch.optim.SGD with dampening 0, of 1, 2 or 3 parameters: the program of n is at n - 1.
 * Inputs as `adamwPrograms`, the state's first float the learning rate, its moments the velocities.
 */
export const sgdPrograms = SLOTS.map((k) => sgdProgram(k + 1));
