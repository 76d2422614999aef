/** The global norm of many gradients, and the gate that clipping and the search for NaN and Inf end in. No readback. */
import { gridFor, type KernelDefinition } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineKernel, defineProgram } from '../definition.ts';

const squaresKernel: KernelDefinition = defineKernel({
  name: 'optimizer/squares',
  bindings: [
    { name: 'x', access: 'read', type: 'vec4u' },
    { name: 'slots', access: 'read_write', type: 'vec2f' },
  ],
  uniforms: { size: 'u32', first: 'u32', count: 'u32', weight: 'f32' },
});

const ELEMENTS_PER_SLOT = 512;
const MAX_SLOTS = 4096;

/**
 * Slots (pairs of numbers, one a thread) that `size` elements are summed into: enough threads for a GPU on a large tensor,
 * one on a bias. The same on every device, so that norms are the same too.
 */
export function slotsFor(size: number): number {
  return Math.min(MAX_SLOTS, Math.ceil(size / ELEMENTS_PER_SLOT));
}

export interface SquaresAttributes {
  /** The first slot this tensor writes; it writes `slotsFor(its size)` of them. */
  readonly first: number;
  /** Multiplies the elements: 1, or 0 for a tensor (the loss) that is only searched for NaN and Inf. Default 1. */
  readonly weight?: number;
}

/**
 * slots[first + s] = [sum of (weight x)^2, count of non-finite elements of x] over the groups of four elements s, s + count, …
 * Inputs: x; slots of shape [n, 2], updated in place.
 */
export const squaresProgram = defineProgram<SquaresAttributes>({
  name: 'squaresToSlots',
  kernels: [squaresKernel],
  mutates: [1],
  infer([x, slots], { first }) {
    const [count = 0, width] = slots.shape;
    const needed = first + slotsFor(sizeOf(x.shape));
    requireShape(
      slots.shape.length === 2 && width === 2 && count >= needed,
      'squaresToSlots',
      `slots of shape ${formatShape(slots.shape)}; ${formatShape(x.shape)} at slot ${first} needs [${needed}, 2]`,
    );
    return [];
  },
  plan([x], _outputs, { first, weight = 1 }) {
    const size = sizeOf(x.shape);
    const count = slotsFor(size);
    return {
      dispatches: [
        {
          kernel: squaresKernel,
          buffers: { x: 'in0', slots: 'in1' },
          uniforms: { size, first, count, weight },
          workgroups: gridFor(count, 64),
        },
      ],
    };
  },
  reference([x, slots], { first, weight = 1 }) {
    const count = slotsFor(x.data.length);
    slots.data.fill(0, 2 * first, 2 * (first + count));
    for (let i = 0; i < x.data.length; i++) {
      const slot = first + (Math.floor(i / 4) % count);
      if (Number.isFinite(x.data[i])) slots.data[2 * slot] += (weight * x.data[i]) ** 2;
      else slots.data[2 * slot + 1] += 1;
    }
    return [];
  },
  cost: ([x]) => ({ flops: 2 * sizeOf(x.shape), bytes: 4 * sizeOf(x.shape) }),
});

const gateKernel: KernelDefinition = defineKernel({
  name: 'optimizer/gate',
  bindings: [
    { name: 'slots', access: 'read', type: 'vec2f' },
    { name: 'gate', access: 'read_write', type: 'f32' },
  ],
  uniforms: { count: 'u32', maxNorm: 'f32', sticky: 'u32' },
});

export interface ClipGateAttributes {
  /** Slots in use. */
  readonly count: number;
  /** Gradients are scaled down to this norm; 0: never. */
  readonly maxNorm: number;
  /** Whether a gate that once found something not finite stays shut. Default false. */
  readonly sticky?: boolean;
}

/** As torch.nn.utils.clip_grad_norm_. */
export const CLIP_EPSILON = 1e-6;

/**
 * gate = [min(1, maxNorm / (norm + 1e-6)), norm, nonFinite, suppressed + nonFinite] with norm the root of the slots' sum; where anything
 * is not finite, [0, 0, 1, suppressed + 1]. Inputs: slots of shape [n, 2]; gate of shape [4], updated in place.
 */
export const clipGateProgram = defineProgram<ClipGateAttributes>({
  name: 'clipGate',
  kernels: [gateKernel],
  mutates: [1],
  infer([slots, gate], { count }) {
    requireShape(
      slots.shape.length === 2 && slots.shape[1] === 2 && slots.shape[0] >= count && sameShape(gate.shape, [4]),
      'clipGate',
      `slots of shape ${formatShape(slots.shape)} and a gate of ${formatShape(gate.shape)}; expected [${count} or more, 2] and [4]`,
    );
    return [];
  },
  plan: (_inputs, _outputs, { count, maxNorm, sticky = false }) => ({
    dispatches: [
      {
        kernel: gateKernel,
        buffers: { slots: 'in0', gate: 'in1' },
        uniforms: { count, maxNorm, sticky: Number(sticky) },
        workgroups: [1, 1, 1],
      },
    ],
  }),
  reference([slots, gate], { count, maxNorm, sticky = false }) {
    let sum = 0;
    let bad = 0;
    for (let slot = 0; slot < count; slot++) {
      sum += slots.data[2 * slot];
      bad += slots.data[2 * slot + 1];
    }
    if (bad > 0 || !Number.isFinite(sum) || (sticky && gate.data[2] > 0)) {
      gate.data.set([0, 0, 1, gate.data[3] + 1]);
    } else {
      const norm = Math.sqrt(sum);
      gate.data.set([maxNorm > 0 ? Math.min(1, maxNorm / (norm + CLIP_EPSILON)) : 1, norm, 0, gate.data[3]]);
    }
    return [];
  },
  cost: (_inputs, _outputs, { count }) => ({ flops: 2 * count, bytes: 8 * count }),
});
