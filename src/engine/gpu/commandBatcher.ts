/** Encodes eager dispatches and copies, many per submit. */
import type { CompiledKernel } from './pipelines.ts';
import { type DispatchTime, TimestampLog } from './timestamps.ts';

/** One dispatch with its memory: ready to encode. */
export interface BoundDispatch {
  readonly kernel: CompiledKernel;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
}

/** Batches dispatches into one compute pass and few submits. */
export class CommandBatcher {
  readonly #device: GPUDevice;
  readonly #capacity: number;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #pending = 0;
  #dispatches = 0;
  #submits = 0;
  #profile: TimestampLog | null = null;

  /** `capacity` is the most dispatches one submit holds: it bounds how long one submit can run. */
  constructor(device: GPUDevice, capacity: number) {
    this.#device = device;
    this.#capacity = capacity;
  }

  /** Dispatches encoded and command buffers submitted since the start. */
  get counts(): { dispatches: number; submits: number } {
    return { dispatches: this.#dispatches, submits: this.#submits };
  }

  dispatch(item: BoundDispatch): void {
    const pass = this.#openPass(item.label);
    pass.setPipeline(item.kernel.pipeline);
    pass.setBindGroup(0, item.bindGroup);
    pass.dispatchWorkgroups(...item.workgroups);
    this.#dispatches++;
    if (++this.#pending >= this.#capacity) this.flush();
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
    if (!encoder) return;
    const resolved = this.#profile?.resolve(encoder);
    this.#device.queue.submit([encoder.finish()]);
    resolved?.();
    this.#submits++;
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
  }
}
