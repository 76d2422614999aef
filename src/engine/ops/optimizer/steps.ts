/** Optimizer steps over several parameters per dispatch: AdamW, SGD, RMSprop. */
import {
  type BufferReference,
  DEFAULT_LIMITS,
  type Dispatch,
  type KernelDefinition,
  type PlanTarget,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { type Callable, defineProgram } from '../definition.ts';
import { shareOf, type Walk, walkOver } from '../elementwise.ts';
import type { Signature } from '../signature.ts';
import type { AdamwAttributes, RmspropAttributes, SgdAttributes, StepAttributes, StepSlot } from './attributes.ts';
import { HEAD_GROUPS, momentGroups } from './layout.ts';
import { referenceStep, updateAdamw, type UpdateReference, updateRmsprop, updateSgd } from './reference.ts';

/** Groups of four floats that a state has at most, so that any adapter can bind it; unless a single parameter needs more. */
export const MOST_STATE_GROUPS = DEFAULT_LIMITS.maxStorageBufferBindingSize / 16;

/**
 * Parameters that one dispatch updates: WebGPU grants a shader stage 8 storage buffers, of which the state and the guard are two, and
 * a parameter and its gradient are two each.
 */
const STEP_PARAMETERS = 3;
/** The same of kernels for GPUs that grant 14 or more: twice as many, so that elsewhere two dispatches do it and none is wasted. */
const WIDE_PARAMETERS = 6;

/** How many parameters a step may be given at once. */
export const ADAMW_COUNTS: readonly number[] = [1, 2, STEP_PARAMETERS, WIDE_PARAMETERS];
export const SGD_COUNTS: readonly number[] = [1, 2, STEP_PARAMETERS];
export const RMSPROP_COUNTS: readonly number[] = [1, STEP_PARAMETERS];

/** A kernel and the parameters that it has bindings for. */
interface StepKernel {
  readonly kernel: KernelDefinition;
  readonly slots: number;
}

/**
 * A walk over tensors of `sizes` elements in groups of four, one tensor after the other: as many workgroups as the largest can use, and
 * `share0`, `share1` …, the groups of each tensor that a workgroup has.
 */
export function sharedWalk(
  sizes: readonly number[],
  target: PlanTarget,
): Omit<Walk, 'share'> & { readonly shares: Record<string, number> } {
  const groups = sizes.map((size) => Math.ceil(size / 4));
  const { workgroups, overrides } = walkOver(Math.max(...groups), target);
  const shareOfSlot = (count: number) => shareOf(count, { workgroups, overrides });
  return {
    workgroups,
    overrides,
    shares: Object.fromEntries(groups.map((count, k) => [`share${k}`, shareOfSlot(count)])),
  };
}

function stepProgram<A extends StepAttributes>(
  name: string,
  count: number,
  moments: number,
  kernels: readonly StepKernel[],
  uniforms: (attributes: A) => Record<string, number>,
  update: UpdateReference<A>,
  flops: number,
  attributes: Signature<A>['attributes'],
): Callable<A> {
  const parameters = Array.from({ length: count }, (_, k) => 2 + 2 * k);
  return defineProgram<A>({
    name: count === 1 ? name : `${name}.${count}`,
    signature: { inputs: { state: 'float32', guard: 'float32', 'parameters*': 'float32' }, attributes },
    kernels: kernels.map(({ kernel }) => kernel),
    mutates: [0, ...parameters],
    infer(inputs, { slots }) {
      const [state, guard] = inputs;
      requireShape(
        inputs.length === 2 + 2 * count && slots.length === count,
        name,
        `takes a state, a guard and ${count} pairs of parameter and gradient with a slot each, got ${inputs.length} inputs and ${slots.length} slots`,
      );
      requireShape(sameShape(guard.shape, [4]), name, `the guard has shape ${formatShape(guard.shape)}, not [4]`);
      slots.forEach(({ head, first }, k) => {
        const [parameter, grad] = inputs.slice(2 + 2 * k);
        requireShape(
          sameShape(parameter.shape, grad.shape),
          name,
          `gradient ${k} has shape ${formatShape(grad.shape)}, its parameter ${formatShape(parameter.shape)}`,
        );
        const end = 4 * (first + moments * momentGroups(sizeOf(parameter.shape)));
        requireShape(
          head >= 0 && head < first && first >= HEAD_GROUPS && sizeOf(state.shape) >= end,
          name,
          `parameter ${k} has its moments up to ${end} of a state of shape ${formatShape(state.shape)}`,
        );
      });
      return [];
    },
    plan(inputs, _outputs, attributes, target) {
      const [narrow, wide] = kernels;
      const grants = target.limits.maxStorageBuffersPerShaderStage;
      const fits = wide && count > narrow.slots && target.deviceClass === 'gpu' && 2 + 2 * wide.slots <= grants;
      const { kernel, slots } = fits ? wide : narrow;
      const scratch: number[] = [];
      const dispatches = Array.from({ length: Math.ceil(count / slots) }, (_, part): Dispatch => {
        const buffers: Record<string, BufferReference> = { state: 'in0', guard: 'in1' };
        const slotted: Record<string, number> = {};
        const sizes: number[] = [];
        for (let slot = 0; slot < slots; slot++) {
          const k = part * slots + slot;
          const given = k < count;
          const size = given ? sizeOf(inputs[parameters[k]].shape) : 0;
          sizes.push(size);
          // Slots without a parameter have no elements; a writable binding still wants memory that no other binding has.
          if (!given) scratch.push(16);
          buffers[`parameter${slot}`] = given ? `in${parameters[k]}` : `tmp${scratch.length - 1}`;
          buffers[`grad${slot}`] = given ? `in${parameters[k] + 1}` : 'in1';
          const none: StepSlot = { head: 0, first: 0, lrScale: 0, weightDecay: 0 };
          const { head, first, lrScale, weightDecay } = attributes.slots[k] ?? none;
          slotted[`size${slot}`] = size;
          if (`head${slot}` in kernel.uniforms) slotted[`head${slot}`] = head;
          slotted[`first${slot}`] = first;
          slotted[`lrScale${slot}`] = lrScale;
          slotted[`weightDecay${slot}`] = weightDecay;
        }
        const { workgroups, overrides, shares } = sharedWalk(sizes, target);
        return { kernel, buffers, workgroups, overrides, uniforms: { ...uniforms(attributes), ...slotted, ...shares } };
      });
      return { dispatches, scratch };
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

const adamwKernels: readonly StepKernel[] = [
  { kernel: kernel('optimizer/adamw'), slots: STEP_PARAMETERS },
  { kernel: kernel('optimizer/adamw6'), slots: WIDE_PARAMETERS },
];

const adamwProgram = (count: number): Callable<AdamwAttributes> =>
  stepProgram<AdamwAttributes>(
    'adamwStep',
    count,
    2,
    count > STEP_PARAMETERS ? adamwKernels : [adamwKernels[0]],
    ({ beta1, beta2, eps }) => ({ beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, eps }),
    updateAdamw,
    14,
    { slots: 'records', beta1: 'number', beta2: 'number', eps: 'number' },
  );

/**
 * One AdamW step in place (Loshchilov and Hutter 2019, algorithm 2, as torch.optim.AdamW) of 1, 2, 3 or 6 parameters
 * (`ADAMW_COUNTS`), by their count. Inputs: state, which holds [lr, 1 / bias1, 1 / sqrt(bias2), unused] with bias = 1 - beta^step of each parameter,
 * and its m and then v, where its slot says; guard as `clipGateProgram` writes it; then parameter, gradient, in pairs.
 */
export const adamwPrograms: Readonly<Record<number, Callable<AdamwAttributes>>> = Object.fromEntries(
  ADAMW_COUNTS.map((count) => [count, adamwProgram(count)]),
);

const sgdKernels: readonly StepKernel[] = [{ kernel: kernel('optimizer/sgd'), slots: STEP_PARAMETERS }];

const sgdProgram = (count: number): Callable<SgdAttributes> =>
  stepProgram<SgdAttributes>(
    'sgdStep',
    count,
    1,
    sgdKernels,
    ({ momentum, nesterov }) => ({ momentum, nesterov: Number(nesterov) }),
    updateSgd,
    9,
    { slots: 'records', momentum: 'number', nesterov: 'flag' },
  );

/**
 * One step of SGD with momentum in place, as torch.optim.SGD with dampening 0, of 1, 2 or 3 parameters
 * (`SGD_COUNTS`), by their count.
 * Inputs as `adamwPrograms`, the state's first float the learning rate, its moments the velocities.
 */
export const sgdPrograms: Readonly<Record<number, Callable<SgdAttributes>>> = Object.fromEntries(
  SGD_COUNTS.map((count) => [count, sgdProgram(count)]),
);

const rmspropKernels: readonly StepKernel[] = [{ kernel: kernel('optimizer/rmsprop'), slots: STEP_PARAMETERS }];

const rmspropProgram = (count: number): Callable<RmspropAttributes> =>
  stepProgram<RmspropAttributes>(
    'rmspropStep',
    count,
    2,
    rmspropKernels,
    ({ alpha, eps, momentum }) => ({ alpha, rest: 1 - alpha, eps, momentum }),
    updateRmsprop,
    11,
    { slots: 'records', alpha: 'number', eps: 'number', momentum: 'number' },
  );

/**
 * One step of RMSprop in place, as torch.optim.RMSprop without centering, of 1 or 3 parameters (`RMSPROP_COUNTS`), by their count. Inputs as
 * `adamwPrograms`, the state's first float the learning rate, its moments the squares and then the velocities.
 */
export const rmspropPrograms: Readonly<Record<number, Callable<RmspropAttributes>>> = Object.fromEntries(
  RMSPROP_COUNTS.map((count) => [count, rmspropProgram(count)]),
);
