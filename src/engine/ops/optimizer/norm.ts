/** The global norm of many gradients, and the guard that clipping and the search for NaN and Inf end in. No readback. */
import { type BufferReference, type Dispatch, foldGrid, gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import type { ClipGuardAttributes, SquaresAttributes } from './attributes.ts';
import { slotsFor } from './layout.ts';
import { referenceClipGate, referenceSquares } from './reference.ts';

/** Tensors of one dispatch: WebGPU grants a shader stage 8 storage buffers, of which the slots are one. */
const NARROW = 7;
/** The same of GPUs that grant 15 or more: twice as many, so that elsewhere two dispatches do it and none is wasted. */
export const SQUARED_TENSORS = 2 * NARROW;

const squaresKernel = kernel('optimizer/squares');
const squaresTreeKernel = kernel('optimizer/squaresTree');
const wideTreeKernel = kernel('optimizer/squaresTree14');

/** Slots that a workgroup of optimizer/squaresTree owns: its default of COLUMNS. */
const TREE_SLOTS = 16;

/**
 * slots[first + s] = [sum of (weight x)^2, count of non-finite elements of x] over the groups of four elements s, s + count, … of each of
 * up to `SQUARED_TENSORS` tensors x. Inputs: slots of shape [n, 2], updated in place; then the tensors.
 */
export const squaresProgram = defineProgram<SquaresAttributes>({
  name: 'squaresToSlots',
  signature: { inputs: { slots: 'float32', 'tensors*': 'float32' }, attributes: { tensors: 'records' } },
  kernels: [squaresKernel, squaresTreeKernel, wideTreeKernel],
  // thread: a slot is summed by one thread. tree: by 16 lanes of a workgroup, for GPUs.
  versions: ['thread', 'tree'],
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
  plan([, ...xs], _outputs, { tensors }, target, version) {
    const thread = version === 'thread' || (version === undefined && target.deviceClass === 'software');
    const wide = !thread && xs.length > NARROW && target.limits.maxStorageBuffersPerShaderStage > SQUARED_TENSORS;
    const places = wide ? SQUARED_TENSORS : NARROW;
    const part = (at: number): Dispatch => {
      const sizes = xs.slice(at, at + places).map(({ shape }) => sizeOf(shape));
      const buffers: Record<string, BufferReference> = { slots: 'in0' };
      const uniforms: Record<string, number> = {};
      for (let k = 0; k < places; k++) {
        const given = k < sizes.length;
        buffers[`x${k}`] = given ? `in${at + k + 1}` : 'in1';
        uniforms[`size${k}`] = given ? sizes[k] : 0;
        uniforms[`first${k}`] = given ? tensors[at + k].first : 0;
        uniforms[`count${k}`] = given ? slotsFor(sizes[k]) : 0;
        uniforms[`weight${k}`] = tensors[at + k]?.weight ?? 1;
      }
      if (thread)
        return { kernel: squaresKernel, buffers, uniforms, workgroups: gridFor(Math.max(...sizes.map(slotsFor)), 64) };
      const workgroups = sizes.reduce((sum, size) => sum + Math.ceil(slotsFor(size) / TREE_SLOTS), 0);
      uniforms.workgroups = workgroups;
      return { kernel: wide ? wideTreeKernel : squaresTreeKernel, buffers, uniforms, workgroups: foldGrid(workgroups) };
    };
    return { dispatches: Array.from({ length: Math.ceil(xs.length / places) }, (_, at) => part(at * places)) };
  },
  reference(inputs, attributes) {
    referenceSquares(inputs, attributes);
    return [];
  },
  cost([, ...xs]) {
    const size = xs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return { flops: 2 * size, bytes: 4 * size };
  },
});

const guardKernel = kernel('optimizer/guard');

/**
 * guard = [min(1, maxNorm / (norm + 1e-6)) / scale, norm, nonFinite, suppressed + nonFinite] with norm the root of the slots' sum over the
 * scale that the loss was multiplied by; where anything is not finite, [0, 0, 1, suppressed + 1];
 * where all is but the sum of squares overflows, [0, infinity, 2, suppressed + 1]. Inputs: slots of shape [n, 2]; guard of
 * shape [4] and lossScale of shape [4], [scale, finite steps since it last changed, other steps in a row, 0], updated in place: the
 * scale halves where something was not finite and doubles after `growthInterval` finite steps, as torch.cuda.amp.GradScaler.
 */
export const clipGateProgram = defineProgram<ClipGuardAttributes>({
  name: 'clipGate',
  signature: {
    inputs: { slots: 'float32', guard: 'float32', lossScale: 'float32' },
    attributes: { count: 'count', maxNorm: 'number', sticky: 'flag?', growthInterval: 'count?' },
  },
  kernels: [guardKernel],
  mutates: [1, 2],
  infer([slots, guard, lossScale], { count }) {
    requireShape(
      slots.shape.length === 2 && slots.shape[1] === 2 && slots.shape[0] >= count,
      'clipGate',
      `slots of shape ${formatShape(slots.shape)}; expected [${count} or more, 2]`,
    );
    requireShape(
      sameShape(guard.shape, [4]) && sameShape(lossScale.shape, [4]),
      'clipGate',
      `a guard of shape ${formatShape(guard.shape)} and a loss scale of ${formatShape(lossScale.shape)}; both take [4]`,
    );
    return [];
  },
  plan: (_inputs, _outputs, { count, maxNorm, sticky = false, growthInterval = 0 }, target) => ({
    dispatches: [
      {
        kernel: guardKernel,
        buffers: { slots: 'in0', guard: 'in1', lossScale: 'in2' },
        uniforms: { count, maxNorm, sticky: Number(sticky), growthInterval },
        overrides: { WIDTH: target.deviceClass === 'software' ? 64 : 256 },
        workgroups: [1, 1, 1],
      },
    ],
  }),
  reference(inputs, attributes) {
    referenceClipGate(inputs, attributes);
    return [];
  },
  cost: (_inputs, _outputs, { count }) => ({ flops: 2 * count, bytes: 8 * count }),
});
