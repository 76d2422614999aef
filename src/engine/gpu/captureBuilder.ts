/** A step that is being captured: collects its dispatches and buffers, then plans its memory, and keeps what it is bound to. */
import { GmtlError } from '../errors.ts';
import { planMemory } from './memoryPlan.ts';
import type { CompiledKernel } from './pipelines.ts';
import { type BufferSource, nextBufferId, type PooledBuffer } from './pool.ts';
import type { Content } from './submits.ts';

/** A buffer of a step that is being captured: it gets memory when the whole step is known. */
class PlannedBuffer implements PooledBuffer {
  readonly id = nextBufferId();
  readonly label: string;
  readonly capacity: number;
  readonly owner: CaptureBuilder;
  /** Dispatches that use it first and last; -1: none. */
  first = -1;
  last = -1;
  released = false;
  slot: Slot | null = null;
  since = 0;
  until = 0;
  version = 0;

  constructor(bytes: number, label: string, owner: CaptureBuilder) {
    this.capacity = Math.max(256, Math.ceil(bytes / 16) * 16);
    this.label = label;
    this.owner = owner;
  }

  get buffer(): GPUBuffer {
    if (!this.slot) {
      throw new GmtlError(
        'gpu/capture',
        this.owner.failed
          ? `${this.label} has no content: the capture of the step that was to compute it failed`
          : `the content of ${this.label} was asked for while its step is being recorded: read results after the step`,
      );
    }
    return this.slot.buffer;
  }
}

/** Memory that one buffer of a step holds, or several one after another. */
interface Slot {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Buffers in it that the caller has not released, and other steps that are bound to it. */
  held: number;
}

/** A dispatch of a step that is being captured, without memory. */
export interface PlannedDispatch {
  readonly kernel: CompiledKernel;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
  readonly seconds: number;
  readonly buffers: readonly PooledBuffer[];
  /** Makes the bind group; called when the buffers have memory. */
  readonly bind: () => GPUBindGroup;
}

/** Bytes of a captured step's buffers (inputs, parameters and state are not among them). */
export interface CaptureMemory {
  /** Bytes allocated; buffers with disjoint lifetimes share memory. */
  readonly plannedBytes: number;
  /** What would be allocated if each buffer had memory of its own. */
  readonly unplannedBytes: number;
  /** The most that is alive at one dispatch: no plan can need less. */
  readonly leastBytes: number;
  readonly buffers: number;
  readonly slots: number;
}

/** Collects what a step dispatches and allocates; `plan` gives its buffers memory. */
export class CaptureBuilder implements BufferSource {
  readonly items: PlannedDispatch[] = [];
  readonly #buffers: PlannedBuffer[] = [];
  readonly #slots = new Set<Slot>();
  readonly #pool: BufferSource;
  readonly #flush: () => void;
  /** Buffers from before the step that it is bound to, each pinned. */
  readonly #bound = new Set<PooledBuffer>();
  #disposed = false;
  #failed = false;

  /** @param flush submits what was recorded eagerly: it may use memory that is about to go. */
  constructor(pool: BufferSource, flush: () => void) {
    this.#pool = pool;
    this.#flush = flush;
  }

  /** Whether its capture was given up: what it acquired never gets memory. */
  get failed(): boolean {
    return this.#failed;
  }

  acquire(bytes: number, label: string): PooledBuffer {
    const buffer = new PlannedBuffer(bytes, label, this);
    this.#buffers.push(buffer);
    return buffer;
  }

  release(pooled: PooledBuffer): void {
    const planned = pooled as PlannedBuffer;
    planned.released = true;
    this.unpin(planned);
  }

  pin(pooled: PooledBuffer): void {
    const { slot } = pooled as PlannedBuffer;
    if (slot) slot.held++;
  }

  unpin(pooled: PooledBuffer): void {
    const { slot } = pooled as PlannedBuffer;
    if (slot && --slot.held === 0 && this.#disposed) this.#destroy(slot);
  }

  #isOwn(buffer: PooledBuffer): buffer is PlannedBuffer {
    return buffer instanceof PlannedBuffer && buffer.owner === this;
  }

  /** Records a dispatch. Throws where a buffer of another step has no memory. What it is bound to must not become another tensor's memory, even if it is freed. */
  dispatch(item: PlannedDispatch): void {
    for (const buffer of item.buffers) if (!this.#isOwn(buffer)) void buffer.buffer;
    for (const buffer of item.buffers) {
      if (this.#isOwn(buffer) || this.#bound.has(buffer)) continue;
      this.#bound.add(buffer);
      sourceOf(buffer, this.#pool).pin(buffer);
    }
    const index = this.items.length;
    this.items.push(item);
    for (const buffer of item.buffers) {
      if (!this.#isOwn(buffer)) continue;
      if (buffer.first < 0) buffer.first = index;
      buffer.last = index;
    }
  }

  /** Gives every buffer its memory. */
  plan(create: (bytes: number, label: string) => GPUBuffer): CaptureMemory {
    const makeSlot = (bytes: number, label: string): Slot => {
      const slot = { buffer: create(bytes, label), bytes, held: 0 };
      this.#slots.add(slot);
      return slot;
    };
    // What the caller still holds is read after the step, or carries something from one replay to the next: never shared.
    const lasting = this.#buffers.filter((buffer) => !buffer.released);
    for (const buffer of lasting) {
      buffer.slot = makeSlot(buffer.capacity, buffer.label);
      buffer.slot.held = 1;
    }
    const passing = this.#buffers.filter((buffer) => buffer.released && buffer.first >= 0);
    const lifetimes = passing.map(({ capacity, first, last }) => ({ bytes: capacity, first, last }));
    const { slotOf, slotBytes } = planMemory(lifetimes);
    const slots = slotBytes.map((bytes) => makeSlot(bytes, 'planned'));
    passing.forEach((buffer, index) => {
      buffer.slot = slots[slotOf[index]];
    });
    const lastingBytes = lasting.reduce((sum, { capacity }) => sum + capacity, 0);
    return {
      plannedBytes: slotBytes.reduce((sum, bytes) => sum + bytes, lastingBytes),
      unplannedBytes: passing.reduce((sum, { capacity }) => sum + capacity, lastingBytes),
      leastBytes: lastingBytes + mostAlive(lifetimes, this.items.length),
      buffers: lasting.length + passing.length,
      slots: this.#slots.size,
    };
  }

  /** Buffers from before the step that it reads or changes, those that hold something after it, and its kernels. */
  get contents(): {
    readonly read: readonly Content[];
    readonly written: readonly Content[];
    readonly kernels: readonly CompiledKernel[];
  } {
    const written = new Set<Content>(this.#buffers.filter((buffer) => !buffer.released));
    for (const { kernel, buffers } of this.items) {
      buffers.forEach((buffer, index) => {
        if (!this.#isOwn(buffer) && kernel.writes[index]) written.add(buffer);
      });
    }
    const kernels = new Set(this.items.map(({ kernel }) => kernel));
    return { read: [...this.#bound], written: [...written], kernels: [...kernels] };
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const slot of this.#slots) bytes += slot.bytes;
    return bytes;
  }

  get heldBuffers(): number {
    return this.#slots.size;
  }

  /** Frees all memory but that of buffers the caller still holds, which goes when they are released. */
  dispose(): void {
    this.#disposed = true;
    for (const slot of [...this.#slots]) if (slot.held === 0) this.#destroy(slot);
    this.#unbind();
  }

  /** Ends a capture that will not be run. */
  giveUp(): void {
    this.#failed = true;
    this.#unbind();
  }

  #unbind(): void {
    for (const pooled of this.#bound) sourceOf(pooled, this.#pool).unpin(pooled);
    this.#bound.clear();
  }

  #destroy(slot: Slot): void {
    this.#flush();
    slot.buffer.destroy();
    this.#slots.delete(slot);
  }
}

/** Where a buffer came from: the captured step that made it, else `pool`. */
function sourceOf(pooled: PooledBuffer, pool: BufferSource): BufferSource {
  return pooled instanceof PlannedBuffer ? pooled.owner : pool;
}

function mostAlive(lifetimes: readonly { bytes: number; first: number; last: number }[], dispatches: number): number {
  const change = new Float64Array(dispatches + 1);
  for (const { bytes, first, last } of lifetimes) {
    change[first] += bytes;
    change[last + 1] -= bytes;
  }
  let alive = 0;
  let most = 0;
  for (const each of change) {
    alive += each;
    most = Math.max(most, alive);
  }
  return most;
}
