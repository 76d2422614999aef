import { type BufferReference, type Dispatch, foldGrid, type Plan, type PlanTarget } from '../../gpu/kernel.ts';
import { defineKernel } from '../definition.ts';
import { stridedDispatch } from '../movement/strided.ts';
import { epilogueOverrides, type Gather, type GatherBuffers, windowUniforms } from './gather.ts';

export const gatherLanesKernel = defineKernel({
  name: 'conv2d/gatherLanes',
  bindings: [
    { name: 'source', access: 'read', type: 'vec4f' },
    { name: 'weight', access: 'read', type: 'vec4f' },
    { name: 'bias', access: 'read', type: 'vec4f' },
    { name: 'out', access: 'read_write', type: 'vec4f' },
  ],
  uniforms: {
    batch: 'u32',
    toHeight: 'u32',
    toWidth: 'u32',
    toChannels4: 'u32',
    fromHeight: 'i32',
    fromWidth: 'i32',
    fromChannels4: 'u32',
    kernelHeight: 'i32',
    kernelWidth: 'i32',
    multiplyY: 'i32',
    multiplyX: 'i32',
    tapY: 'i32',
    tapX: 'i32',
    offsetY: 'i32',
    offsetX: 'i32',
    divideY: 'i32',
    divideX: 'i32',
    phaseHeight: 'u32',
    phaseWidth: 'u32',
    phaseTiles: 'u32',
    columns: 'u32',
    biasChannels4: 'u32',
    workgroups: 'u32',
  },
  overrides: ['HAS_BIAS', 'RELU', 'LANES'],
  features: ['subgroups'],
});

/** A copy of the weights of a transposed gather as [taps, from, to]; in memory they are [taps, to, from]. */
export function packTransposed(
  { kernel, fromChannels, toChannels }: Gather,
  weight: BufferReference,
  packed: BufferReference,
): Dispatch {
  return stridedDispatch(
    'conv2d',
    [kernel[0] * kernel[1], fromChannels, toChannels],
    { buffer: weight, strides: [fromChannels * toChannels, 1, fromChannels] },
    { buffer: packed, strides: [fromChannels * toChannels, toChannels, 1] },
  );
}

/** Lanes of the subgroups that the kernels of this folder which use them are written for: 0 where the target has others. */
export function usableLanes({ subgroupSize, features }: PlanTarget): number {
  return features.has('subgroups') && (subgroupSize === 8 || subgroupSize === 4) ? subgroupSize : 0;
}

/**
 * As many pixels a subgroup as it has lanes; null where channels are not in fours, the gather is grouped or there are no such lanes.
 * The bias repeats every `biasChannels` channels: folding makes channels of neighbouring pixels.
 */
export function planLanesGather(
  gather: Gather,
  buffers: GatherBuffers,
  biasChannels: number,
  relu: boolean,
  target: PlanTarget,
): Plan | null {
  const { batch, from, fromChannels, to, toChannels, kernel, groups, divide, direction } = gather;
  const lanes = usableLanes(target);
  if (lanes === 0 || groups !== 1 || fromChannels % 4 !== 0 || toChannels % 4 !== 0) return null;
  if (buffers.bias && biasChannels % 4 !== 0) return null;
  const phase = [Math.ceil(to[0] / divide[0]), Math.ceil(to[1] / divide[1])];
  const phaseTiles = Math.ceil((batch * phase[0] * phase[1]) / lanes);
  const columns = Math.ceil(toChannels / 4 / lanes);
  const workgroups = phaseTiles * divide[0] * divide[1] * columns;
  const transposed = direction === 'transposed';
  const weight = transposed ? 'tmp0' : buffers.weight;
  const main: Dispatch = {
    kernel: gatherLanesKernel,
    buffers: { source: buffers.source, weight, bias: buffers.bias ?? weight, out: buffers.out },
    uniforms: {
      batch,
      toHeight: to[0],
      toWidth: to[1],
      toChannels4: toChannels / 4,
      fromHeight: from[0],
      fromWidth: from[1],
      fromChannels4: fromChannels / 4,
      ...windowUniforms(gather),
      phaseHeight: phase[0],
      phaseWidth: phase[1],
      phaseTiles,
      columns,
      biasChannels4: Math.ceil(biasChannels / 4),
      workgroups,
    },
    overrides: { ...epilogueOverrides(buffers, relu), LANES: lanes },
    workgroups: foldGrid(workgroups),
  };
  if (!transposed) return { dispatches: [main] };
  return {
    dispatches: [packTransposed(gather, buffers.weight, weight), main],
    scratch: [kernel[0] * kernel[1] * fromChannels * toChannels * 4],
  };
}
