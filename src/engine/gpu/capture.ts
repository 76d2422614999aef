/** A captured step: what a replay encodes and submits, how long making it took, how much memory it holds. */
import { GmtlError } from '../errors.ts';
import type { CaptureBuilder, CaptureMemory } from './captureBuilder.ts';
import type { BoundDispatch, CommandBatcher } from './commandBatcher.ts';
import type { Submits } from './submits.ts';
import type { DispatchTime } from './timestamps.ts';

/** Milliseconds that making a captured step ready took. */
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

/** Called while a captured step runs for the first time, when drivers compile, with the dispatches done and their total. */
export type CompileProgress = (done: number, total: number) => void;

/** What a captured step needs of its device. */
interface CaptureDevice {
  readonly device: GPUDevice;
  readonly wait: Wait;
  throwIfFailed(): void;
}

/**
 * A step that can run again and again: pipelines, bind groups, uniforms and memory are prepared once; a replay only
 * encodes. (WebGPU's command buffers are single-use.)
 */
export class Capture {
  readonly #owner: CaptureDevice;
  readonly #batcher: CommandBatcher;
  readonly #submits: Submits;
  readonly #contents: CaptureBuilder['contents'];
  readonly commands: readonly BoundDispatch[];
  readonly memory: CaptureMemory;
  readonly timing: CaptureTiming;
  /** Null once the step was disposed of. */
  #release: (() => void) | null;

  constructor(
    owner: CaptureDevice,
    batcher: CommandBatcher,
    submits: Submits,
    contents: CaptureBuilder['contents'],
    commands: readonly BoundDispatch[],
    memory: CaptureMemory,
    timing: CaptureTiming,
    release: () => void,
  ) {
    this.#owner = owner;
    this.#batcher = batcher;
    this.#submits = submits;
    this.#contents = contents;
    this.memory = memory;
    this.timing = timing;
    this.#release = release;
    this.commands = commands;
  }

  get dispatches(): number {
    return this.commands.length;
  }

  /**
   * Encodes and submits the step once more, after everything recorded eagerly, in as many submits as its stated work asks for.
   * @throws GmtlError `gpu/capture` once it was disposed of, and what the device throws.
   */
  replay(): void {
    this.#submit(this.commands);
  }

  /** Replays in parts and waits for each, to report the progress of a first run (in which drivers compile). */
  async replayWatched(progress: CompileProgress, parts = 24): Promise<void> {
    const { commands } = this;
    const length = Math.max(1, Math.ceil(commands.length / parts));
    for (let at = 0; at < commands.length; at += length) {
      this.#submit(commands.slice(at, at + length));
      await this.#owner.wait(this.#owner.device.queue.onSubmittedWorkDone());
      progress(Math.min(at + length, commands.length), commands.length);
    }
  }

  /** Replays once with every dispatch between two timestamps (needs `timestamp-query`); returns their times in order. */
  async profile(): Promise<DispatchTime[]> {
    this.#batcher.startProfile();
    this.#submit(this.commands);
    return this.#owner.wait(this.#batcher.stopProfile());
  }

  #submit(commands: readonly BoundDispatch[]): void {
    this.#owner.throwIfFailed();
    if (!this.#release) {
      throw new GmtlError('gpu/capture', 'this captured step was disposed of and cannot run again: capture it anew');
    }
    const { read, written, kernels } = this.#contents;
    this.#submits.requireDefined(read);
    const since = this.#submits.since(read);
    const first = this.#submits.next;
    for (const command of commands) this.#batcher.dispatch(command);
    this.#batcher.flush();
    const last = this.#submits.next - 1;
    for (const content of written) this.#submits.wrote(content, since, last);
    for (const kernel of kernels) this.#submits.uses(kernel, first, last);
  }

  /** Gives the step's memory back. Tensors that were made in it and are still held keep theirs. A second call does nothing. */
  dispose(): void {
    this.#release?.();
    this.#release = null;
  }
}
