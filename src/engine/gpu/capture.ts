import { GmtlError } from '../errors.ts';
import { planMemory } from './memoryPlan.ts';
import type { CompiledKernel } from './pipelines.ts';
import { type BufferSource, nextBufferId, type PooledBuffer } from './pool.ts';
import type { RecordedDispatch } from './recorder.ts';
import { type DispatchTime, TimestampLog } from './timestamps.ts';

/** A buffer of a step that is being recorded: it gets memory when the whole step is known. */
class PlannedBuffer implements PooledBuffer {
  readonly id = nextBufferId();
  readonly label: string;
  readonly capacity: number;
  /** Dispatches that use it first and last; -1: none. */
  first = -1;
  last = -1;
  released = false;
  slot: Slot | null = null;

  constructor(bytes: number, label: string) {
    this.capacity = Math.max(256, Math.ceil(bytes / 16) * 16);
    this.label = label;
  }

  get buffer(): GPUBuffer {
    if (!this.slot) {
      throw new GmtlError(
        'gpu/capture',
        `the content of ${this.label} was asked for while its step is being recorded: read results after the step`,
      );
    }
    return this.slot.buffer;
  }
}

/** Memory of one or, one after the other, several buffers of a step. */
interface Slot {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Buffers in it that the caller has not released. */
  held: number;
}

/** A dispatch as it was recorded, without memory. */
export interface PlannedDispatch {
  readonly kernel: CompiledKernel;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
  readonly buffers: readonly PooledBuffer[];
  /** Makes the bind group; called when the buffers have memory. */
  readonly bind: () => GPUBindGroup;
}

/** Bytes of a recorded step's own buffers (inputs, parameters and state are not among them). */
export interface CaptureMemory {
  /** Held: buffers of disjoint lifetimes share memory. */
  readonly plannedBytes: number;
  /** What it would be if each had memory of its own. */
  readonly unplannedBytes: number;
  /** The most that is alive at one dispatch: no plan can need less. */
  readonly leastBytes: number;
  readonly buffers: number;
  readonly slots: number;
}

/** Collects what a step dispatches and allocates; `finish` plans its memory. */
export class Recording implements BufferSource {
  readonly items: PlannedDispatch[] = [];
  readonly #buffers: PlannedBuffer[] = [];
  readonly #slots = new Set<Slot>();
  #disposed = false;

  acquire(bytes: number, label: string): PooledBuffer {
    const buffer = new PlannedBuffer(bytes, label);
    this.#buffers.push(buffer);
    return buffer;
  }

  release(pooled: PooledBuffer): void {
    const planned = pooled as PlannedBuffer;
    planned.released = true;
    const { slot } = planned;
    if (slot && --slot.held === 0 && this.#disposed) this.#destroy(slot);
  }

  dispatch(item: PlannedDispatch): void {
    const index = this.items.length;
    this.items.push(item);
    for (const buffer of item.buffers) {
      if (!(buffer instanceof PlannedBuffer)) continue;
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
  }

  #destroy(slot: Slot): void {
    slot.buffer.destroy();
    this.#slots.delete(slot);
  }
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

/** What a dispatch of a recorded step is to the device. */
export interface Command {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
}

/** Milliseconds that making a recorded step ready took. */
export interface CaptureTiming {
  /** JavaScript of the step: shapes, plans, graph. */
  readonly record: number;
  /** Waiting for pipelines. */
  readonly compile: number;
  /** Planning memory, making buffers and bind groups. */
  readonly prepare: number;
}

/** Settles as `pending` does; see `GpuDeviceOptions.wait`. */
export type Wait = <T>(pending: Promise<T>) => Promise<T>;

/** Told while a recorded step runs for the first time, when drivers compile: dispatches done of all. */
export type CompileProgress = (done: number, total: number) => void;

/**
 * A recorded step that can run again and again: pipelines, bind groups, uniforms and memory are prepared once; a replay only
 * encodes. (WebGPU's command buffers are single-use.)
 */
export class CapturedStep {
  readonly #device: GPUDevice;
  readonly commands: readonly Command[];
  readonly memory: CaptureMemory;
  readonly timing: CaptureTiming;
  readonly #wait: Wait;
  readonly #release: () => void;

  constructor(
    { device, wait }: { readonly device: GPUDevice; readonly wait: Wait },
    items: readonly RecordedDispatch[],
    memory: CaptureMemory,
    timing: CaptureTiming,
    release: () => void,
  ) {
    this.#device = device;
    this.#wait = wait;
    this.memory = memory;
    this.timing = timing;
    this.#release = release;
    this.commands = items.map(({ kernel, bindGroup, workgroups, label }) => ({
      pipeline: kernel.pipeline,
      bindGroup,
      workgroups,
      label,
    }));
  }

  get dispatches(): number {
    return this.commands.length;
  }

  /** Encodes and submits the step once more, in one command buffer. Anything recorded eagerly must have been flushed before. */
  replay(): void {
    this.#submit(this.commands);
  }

  /** A replay in parts, each waited for, so that a first run (in which drivers compile) can be watched. */
  async replayWatched(progress: CompileProgress, parts = 24): Promise<void> {
    const { commands } = this;
    const length = Math.max(1, Math.ceil(commands.length / parts));
    for (let at = 0; at < commands.length; at += length) {
      this.#submit(commands.slice(at, at + length));
      await this.#wait(this.#device.queue.onSubmittedWorkDone());
      progress(Math.min(at + length, commands.length), commands.length);
    }
  }

  /** One replay with every dispatch between two timestamps (needs `timestamp-query`), submitted as one; their times in order. */
  async profile(): Promise<DispatchTime[]> {
    const log = new TimestampLog(this.#device);
    let encoder = this.#device.createCommandEncoder({ label: 'profile' });
    const submit = (): void => {
      const resolved = log.resolve(encoder);
      this.#device.queue.submit([encoder.finish()]);
      resolved?.();
    };
    for (const { pipeline, bindGroup, workgroups, label } of this.commands) {
      if (log.full) {
        submit();
        encoder = this.#device.createCommandEncoder({ label: 'profile' });
      }
      const pass = encoder.beginComputePass({ label, timestampWrites: log.next(label) });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...workgroups);
      pass.end();
    }
    submit();
    return this.#wait(log.finish());
  }

  #submit(commands: readonly Command[]): void {
    const encoder = this.#device.createCommandEncoder({ label: 'replay' });
    const pass = encoder.beginComputePass({ label: 'replay' });
    let current: GPUComputePipeline | null = null;
    for (const { pipeline, bindGroup, workgroups } of commands) {
      if (pipeline !== current) {
        current = pipeline;
        pass.setPipeline(pipeline);
      }
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    }
    pass.end();
    this.#device.queue.submit([encoder.finish()]);
  }

  /** Gives the step's memory back. Tensors that were made in it and are still held keep theirs. */
  dispose(): void {
    this.#release();
  }
}
