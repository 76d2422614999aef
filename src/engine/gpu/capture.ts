/** A captured step: what a replay encodes and submits, how long making it took, how much memory it holds. */
import type { CaptureMemory } from './captureBuilder.ts';
import type { BoundDispatch } from './commandBatcher.ts';
import { type DispatchTime, TimestampLog } from './timestamps.ts';

/** One dispatch of a captured step, as it is encoded. */
export interface Command {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
}

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

/**
 * A step that can run again and again: pipelines, bind groups, uniforms and memory are prepared once; a replay only
 * encodes. (WebGPU's command buffers are single-use.)
 */
export class Capture {
  readonly #device: GPUDevice;
  readonly commands: readonly Command[];
  readonly memory: CaptureMemory;
  readonly timing: CaptureTiming;
  readonly #wait: Wait;
  readonly #release: () => void;

  constructor(
    { device, wait }: { readonly device: GPUDevice; readonly wait: Wait },
    items: readonly BoundDispatch[],
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

  /** Replays in parts and waits for each, to report the progress of a first run (in which drivers compile). */
  async replayWatched(progress: CompileProgress, parts = 24): Promise<void> {
    const { commands } = this;
    const length = Math.max(1, Math.ceil(commands.length / parts));
    for (let at = 0; at < commands.length; at += length) {
      this.#submit(commands.slice(at, at + length));
      await this.#wait(this.#device.queue.onSubmittedWorkDone());
      progress(Math.min(at + length, commands.length), commands.length);
    }
  }

  /** Replays once, in one submit, with every dispatch between two timestamps (needs `timestamp-query`); returns their times in order. */
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
