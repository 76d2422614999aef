/** The global norm of many gradients, and the gate that clipping and the search for NaN and Inf end in. No readback. */
import { gridFor, type KernelDefinition } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineKernel, defineProgram } from '../definition.ts';

/** Tensors of one dispatch: WebGPU grants a shader stage 8 storage buffers, of which the slots are one. */
export const SQUARED_TENSORS = 7;

const PLACES = Array.from({ length: SQUARED_TENSORS }, (_, k) => k);

const squaresKernel: KernelDefinition = defineKernel({
  name: 'optimizer/squares',
  bindings: [
    { name: 'slots', access: 'read_write', type: 'vec2f' },
    ...PLACES.map((k) => ({ name: `x${k}`, access: 'read', type: 'vec4u' }) as const),
  ],
  uniforms: Object.fromEntries(
    PLACES.flatMap((k) => [
      [`size${k}`, 'u32'],
      [`first${k}`, 'u32'],
      [`count${k}`, 'u32'],
      [`weight${k}`, 'f32'],
    ]),
  ) as Readonly<Record<string, 'u32' | 'f32'>>,
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
  readonly tensors: readonly {
    /** The first slot this tensor writes; it writes `slotsFor(its size)` of them. */
    readonly first: number;
    /** Multiplies the elements: 1, or 0 for a tensor (the loss) that is only searched for NaN and Inf. Default 1. */
    readonly weight?: number;
  }[];
}

/**
 * slots[first + s] = [sum of (weight x)^2, count of non-finite elements of x] over the groups of four elements s, s + count, … of each of
 * up to `SQUARED_TENSORS` tensors x. Inputs: slots of shape [n, 2], updated in place; then the tensors.
 */
export const squaresProgram = defineProgram<SquaresAttributes>({
  name: 'squaresToSlots',
  kernels: [squaresKernel],
  mutates: [0],
  infer([slots, ...xs], { tensors }) {
    requireShape(
      xs.length > 0 && xs.length <= SQUARED_TENSORS && tensors.length === xs.length,
      'squaresToSlots',
      `takes slots and 1 to ${SQUARED_TENSORS} tensors with a place each, got ${xs.length} and ${tensors.length} places`,
    );
    const [count = 0, width] = slots.shape;
    xs.forEach(({ shape }, k) => {
      const needed = tensors[k].first + slotsFor(sizeOf(shape));
      requireShape(
        slots.shape.length === 2 && width === 2 && count >= needed,
        'squaresToSlots',
        `slots of shape ${formatShape(slots.shape)}; ${formatShape(shape)} at slot ${tensors[k].first} needs [${needed}, 2]`,
      );
    });
    return [];
  },
  plan([, ...xs], _outputs, { tensors }) {
    const sizes = xs.map(({ shape }) => sizeOf(shape));
    const buffers: Record<string, `in${number}`> = { slots: 'in0' };
    const uniforms: Record<string, number> = {};
    for (const k of PLACES) {
      const given = k < sizes.length;
      buffers[`x${k}`] = given ? `in${k + 1}` : 'in1';
      uniforms[`size${k}`] = given ? sizes[k] : 0;
      uniforms[`first${k}`] = given ? tensors[k].first : 0;
      uniforms[`count${k}`] = given ? slotsFor(sizes[k]) : 0;
      uniforms[`weight${k}`] = tensors[k]?.weight ?? 1;
    }
    const workgroups = gridFor(Math.max(...sizes.map(slotsFor)), 64);
    return { dispatches: [{ kernel: squaresKernel, buffers, uniforms, workgroups }] };
  },
  reference([slots, ...xs], { tensors }) {
    xs.forEach(({ data }, k) => {
      const { first, weight = 1 } = tensors[k];
      const count = slotsFor(data.length);
      slots.data.fill(0, 2 * first, 2 * (first + count));
      for (let i = 0; i < data.length; i++) {
        const slot = first + (Math.floor(i / 4) % count);
        if (Number.isFinite(data[i])) slots.data[2 * slot] += (weight * data[i]) ** 2;
        else slots.data[2 * slot + 1] += 1;
      }
    });
    return [];
  },
  cost([, ...xs]) {
    const size = xs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return { flops: 2 * size, bytes: 4 * size };
  },
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
