/** A plan of a convolution being put together, and the steps that several versions share. */
import {
  type BufferReference,
  type Dispatch,
  gridFor,
  type Plan,
  type PlanTarget,
  type StorageFormat,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { type MiddleReduction, planSum } from '../reduce/plan.ts';

export const repackKernel = kernel('conv2d/repack');

/** Rounded up to a multiple of four, as channels must be for kernels that read them by vec4f. */
export const inFours = (channels: number): number => Math.ceil(channels / 4) * 4;

/** What of a buffer seen as [outer, middle, inner] with these strides is copied; the rest of the copy is zeros. */
export interface RepackSource {
  readonly buffer: BufferReference;
  readonly middle: number;
  readonly inner: number;
  readonly strides: readonly [number, number, number];
  /** Element format; that of the operands where left out. */
  readonly format?: 'f32';
}

/** A plan being put together: dispatches in order and the scratch buffers they use. */
export class Steps {
  readonly #dispatches: Dispatch[] = [];
  readonly #scratch: number[] = [];
  readonly #storage: StorageFormat;

  /** `storage`: element format of the operands. */
  constructor(storage: StorageFormat) {
    this.#storage = storage;
  }

  get plan(): Plan {
    return { dispatches: this.#dispatches, scratch: this.#scratch };
  }

  /** A new scratch buffer of `elements` float32. */
  scratch(elements: number): BufferReference {
    this.#scratch.push(elements * 4);
    return `tmp${this.#scratch.length - 1}`;
  }

  /** A new scratch buffer of `elements` in the operands' format. */
  operand(elements: number): BufferReference {
    return this.scratch(this.#storage === 'f16' ? Math.ceil(elements / 2) : elements);
  }

  add(dispatch: Dispatch): void {
    this.#dispatches.push(dispatch);
  }

  /** Copies `source` into `out`, contiguous [outer, middle, inner], a new buffer by default. */
  repack(
    source: RepackSource,
    [outer, middle, inner]: readonly [number, number, number],
    out: BufferReference = this.operand(outer * middle * inner),
  ): BufferReference {
    const size = outer * middle * inner;
    const [strideOuter, strideMiddle, strideInner] = source.strides;
    this.add({
      kernel: repackKernel,
      storage: source.format === 'f32' ? undefined : this.#storage,
      buffers: { source: source.buffer, out },
      uniforms: {
        size,
        middle,
        inner,
        sourceMiddle: source.middle,
        sourceInner: source.inner,
        strideOuter,
        strideMiddle,
        strideInner,
      },
      workgroups: gridFor(size, 64),
    });
    return out;
  }

  /** `buffer` of [pixels, from] as [pixels, to], cut or padded with zeros: `buffer` itself where that changes nothing. */
  channels(buffer: BufferReference, pixels: number, from: number, to: number, out?: BufferReference): BufferReference {
    if (from === to) return buffer;
    return this.repack({ buffer, middle: 1, inner: from, strides: [from, 0, 1] }, [pixels, 1, to], out);
  }

  /** The sum over the middle of `source`, in format `storage`, into `out`. */
  sum(
    source: BufferReference,
    out: BufferReference,
    stage: MiddleReduction,
    target: PlanTarget,
    storage?: StorageFormat,
  ): void {
    this.#dispatches.push(...planSum(source, out, [stage], 1, target, undefined, this.#scratch, { storage }));
  }

  /** Adds `partials`, which writes [chunks, size] where it is directed, and the sum over the chunks into `out`. */
  sumOfChunks(
    chunks: number,
    size: number,
    out: BufferReference,
    target: PlanTarget,
    partials: (to: BufferReference) => Dispatch,
  ): void {
    if (chunks === 1) {
      this.add(partials(out));
      return;
    }
    const partial = this.scratch(chunks * size);
    this.add(partials(partial));
    this.sum(partial, out, { outer: 1, extent: chunks, inner: size }, target);
  }
}
