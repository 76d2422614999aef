/** Convolutions seen from the pixels they write, and their plan for any geometry. */
import { type BufferReference, type Dispatch, gridFor, type Plan, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import type { Pair } from './attributes.ts';
import type { ConvolutionGeometry } from './geometry.ts';

export const gatherKernel = kernel('conv2d/gather');

/**
 * A convolution seen from the pixels it writes: pixel p reads, for tap k, pixel (p * multiply + k * tap + offset) / divide where
 * that is whole and inside. Forward passes and input gradients (= transposed convolutions) are both of this form.
 */
export interface Gather {
  readonly direction: 'forward' | 'transposed';
  readonly batch: number;
  readonly from: Pair;
  readonly fromChannels: number;
  readonly to: Pair;
  readonly toChannels: number;
  readonly kernel: Pair;
  readonly groups: number;
  readonly multiply: Pair;
  readonly tap: Pair;
  readonly offset: Pair;
  readonly divide: Pair;
}

/** From the input to the output. */
export function forwardGather(geometry: ConvolutionGeometry): Gather {
  const { batch, input, inChannels, output, outChannels, kernel, groups, stride, dilation, padding } = geometry;
  return {
    direction: 'forward',
    batch,
    from: input,
    fromChannels: inChannels,
    to: output,
    toChannels: outChannels,
    kernel,
    groups,
    multiply: stride,
    tap: dilation,
    offset: [-padding[0], -padding[1]],
    divide: [1, 1],
  };
}

/** From the output (or its gradient) to the input. */
export function transposedGather(geometry: ConvolutionGeometry): Gather {
  const { batch, input, inChannels, output, outChannels, kernel, groups, stride, dilation, padding } = geometry;
  return {
    direction: 'transposed',
    batch,
    from: output,
    fromChannels: outChannels,
    to: input,
    toChannels: inChannels,
    kernel,
    groups,
    multiply: [1, 1],
    tap: [-dilation[0], -dilation[1]],
    offset: padding,
    divide: stride,
  };
}

/** The buffers of a gather, all but the bias in the element format `storage`: the bias, and what is added at the end, may be missing. */
export interface GatherBuffers {
  readonly storage: StorageFormat;
  readonly source: BufferReference;
  readonly weight: BufferReference;
  readonly bias?: BufferReference | undefined;
  readonly addend?: BufferReference | undefined;
  readonly out: BufferReference;
}

/** What a kernel binds as its bias: where there is none, some buffer of float32 that is there, or else a scratch word. */
export function boundBias({ storage, bias, weight }: GatherBuffers, scratch: () => BufferReference): BufferReference {
  return bias ?? (storage === undefined ? weight : scratch());
}

/** What follows the sum: uniforms, for a branch at the end costs nothing and every override value a compiled pipeline. */
export function epilogueUniforms({ bias, addend }: GatherBuffers, relu: boolean): Record<string, number> {
  return { hasBias: bias ? 1 : 0, relu: relu ? 1 : 0, hasAddend: addend ? 1 : 0 };
}

/** The uniforms that say which pixels a gather reads. */
export function windowUniforms({ kernel, multiply, tap, offset, divide }: Gather) {
  return {
    kernelHeight: kernel[0],
    kernelWidth: kernel[1],
    multiplyY: multiply[0],
    multiplyX: multiply[1],
    tapY: tap[0],
    tapX: tap[1],
    offsetY: offset[0],
    offsetX: offset[1],
    divideY: divide[0],
    divideX: divide[1],
  };
}

/** One thread per element, any geometry. */
export function planSimpleGather(gather: Gather, buffers: GatherBuffers, relu: boolean): Plan {
  const { batch, from, fromChannels, to, toChannels, groups, direction } = gather;
  const size = batch * to[0] * to[1] * toChannels;
  const fromPerGroup = fromChannels / groups;
  const toPerGroup = toChannels / groups;
  // Weights are [taps, in / groups, out] whichever end of them is summed over.
  const forward = direction === 'forward';
  const outChannels = forward ? toChannels : fromChannels;
  const inPerGroup = forward ? fromPerGroup : toPerGroup;
  const bias = boundBias(buffers, () => 'tmp0');
  const dispatch: Dispatch = {
    kernel: gatherKernel,
    storage: buffers.storage,
    buffers: {
      source: buffers.source,
      weight: buffers.weight,
      bias,
      addend: buffers.addend ?? buffers.source,
      out: buffers.out,
    },
    uniforms: {
      size,
      toHeight: to[0],
      toWidth: to[1],
      toChannels,
      fromHeight: from[0],
      fromWidth: from[1],
      fromChannels,
      ...windowUniforms(gather),
      fromPerGroup,
      toPerGroup,
      tapStride: inPerGroup * outChannels,
      fromStride: forward ? outChannels : 1,
      toStride: forward ? 1 : outChannels,
      groupStride: outChannels / groups,
      ...epilogueUniforms(buffers, relu),
    },
    workgroups: gridFor(size, 64),
  };
  return { dispatches: [dispatch], scratch: bias === 'tmp0' ? [4] : [] };
}
