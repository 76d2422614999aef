/** Encodes dispatches and copies, many per submit. */
import type { Submits } from './submits.ts';
import { type DispatchTime, TimestampLog } from './timestamps.ts';

/** One dispatch with its memory: ready to encode. */
export interface BoundDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
  /** Seconds that a slow GPU may take for it and for those after it that state nothing. */
  readonly seconds: number;
}

/** Most dispatches per submit: the device starts while the host encodes on. */
const MOST_DISPATCHES = 512;

/** Batches dispatches into one compute pass and few submits. */
export class CommandBatcher {
  readonly #device: GPUDevice;
  readonly #submits: Submits;
  readonly #secondsPerSubmit: number;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #pipeline: GPUComputePipeline | null = null;
  #pending = 0;
  #seconds = 0;
  /** Of those, what the last program that stated some did. */
  #programSeconds = 0;
  #dispatches = 0;
  #count = 0;
  #profile: TimestampLog | null = null;

  /** `secondsPerSubmit`: a submit that holds more stated work than that is cut, but not within what one dispatch states. */
  constructor(device: GPUDevice, submits: Submits, secondsPerSubmit: number) {
    this.#device = device;
    this.#submits = submits;
    this.#secondsPerSubmit = secondsPerSubmit;
  }

  /** Dispatches encoded and command buffers submitted since the start. */
  get counts(): { dispatches: number; submits: number } {
    return { dispatches: this.#dispatches, submits: this.#count };
  }

  /** Records a dispatch and returns the number of the submit that it is in. */
  dispatch(item: BoundDispatch): number {
    const { pipeline, bindGroup, workgroups, label, seconds } = item;
    // A dispatch that states nothing belongs to the program before it.
    if (seconds > 0 && this.#seconds > 0 && this.#seconds + seconds > this.#secondsPerSubmit) this.flush();
    const pass = this.#openPass(label);
    const submit = this.#submits.next;
    if (pipeline !== this.#pipeline) {
      this.#pipeline = pipeline;
      pass.setPipeline(pipeline);
    }
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    this.#dispatches++;
    this.#seconds += seconds;
    if (seconds > 0) this.#programSeconds = seconds;
    if (++this.#pending < MOST_DISPATCHES) return submit;
    this.flush();
    // More dispatches of the program may follow.
    this.#seconds = this.#programSeconds;
    return submit;
  }

  copy(source: GPUBuffer, target: GPUBuffer, bytes: number): void {
    this.#closePass();
    this.#encoder ??= this.#device.createCommandEncoder({ label: 'step' });
    this.#encoder.copyBufferToBuffer(source, 0, target, 0, bytes);
    this.#pending++;
  }

  /** Submits what is encoded. Cheap when there is nothing. */
  flush(): void {
    this.#closePass();
    const encoder = this.#encoder;
    this.#seconds = 0;
    if (!encoder) return;
    const resolved = this.#profile?.resolve(encoder);
    this.#submits.submit(() => this.#device.queue.submit([encoder.finish()]));
    resolved?.();
    this.#count++;
    this.#encoder = null;
    this.#pending = 0;
  }

  /** From here on every dispatch runs in a pass of its own between two timestamps (needs `timestamp-query`). */
  startProfile(): void {
    this.flush();
    this.#profile = new TimestampLog(this.#device);
  }

  /** Ends profiling; the times of every dispatch since `startProfile`, in order. */
  async stopProfile(): Promise<DispatchTime[]> {
    this.flush();
    const profile = this.#profile;
    this.#profile = null;
    return profile ? profile.finish() : [];
  }

  #openPass(label: string): GPUComputePassEncoder {
    const profile = this.#profile;
    if (profile) {
      this.#closePass();
      if (profile.full) this.flush();
      this.#encoder ??= this.#device.createCommandEncoder({ label: 'step' });
      this.#pass = this.#encoder.beginComputePass({ label, timestampWrites: profile.next(label) });
      return this.#pass;
    }
    this.#encoder ??= this.#device.createCommandEncoder({ label: 'step' });
    this.#pass ??= this.#encoder.beginComputePass({ label: 'step' });
    return this.#pass;
  }

  #closePass(): void {
    this.#pass?.end();
    this.#pass = null;
    this.#pipeline = null;
  }
}
