import { BUFFER_USAGE, MAP_MODE_READ } from './flags.ts';
import type { CompiledKernel } from './pipelines.ts';

/** Dynamic uniform offsets must be multiples of this (WebGPU's default minUniformBufferOffsetAlignment). */
export const UNIFORM_STRIDE = 256;

/** One dispatch, ready to encode. `uniforms` is empty where the kernel has none. */
export interface RecordedDispatch {
  readonly kernel: CompiledKernel;
  /** Made against the uniform arena of whoever encodes it: the recorder's, or a captured step's own. */
  readonly bindGroup: GPUBindGroup;
  readonly uniforms: Uint8Array;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
}

/** GPU time of one dispatch, from timestamp queries. */
export interface DispatchTime {
  readonly label: string;
  readonly nanoseconds: number;
}

/**
 * Batches dispatches into one compute pass and few submits. Uniform values go through one arena with dynamic offsets: the
 * host copy is written to the device right before the submit that reads it, so the arena is free again right after.
 */
export class Recorder {
  readonly #device: GPUDevice;
  readonly #capacity: number;
  readonly #host: Uint8Array;
  readonly arena: GPUBuffer;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #pending = 0;
  #uniformBytes = 0;
  #dispatches = 0;
  #submits = 0;
  #profile: { querySet: GPUQuerySet; labels: string[]; capacity: number; times: Promise<DispatchTime[]>[] } | null =
    null;

  /** `capacity` is the most dispatches one submit holds: it bounds the arena and how long one submit can run. */
  constructor(device: GPUDevice, capacity: number) {
    this.#device = device;
    this.#capacity = capacity;
    this.#host = new Uint8Array(capacity * UNIFORM_STRIDE);
    this.arena = device.createBuffer({
      label: 'uniform arena',
      size: capacity * UNIFORM_STRIDE,
      usage: BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST,
    });
  }

  /** Dispatches recorded and command buffers submitted since the start. */
  get counts(): { dispatches: number; submits: number } {
    return { dispatches: this.#dispatches, submits: this.#submits };
  }

  dispatch(item: RecordedDispatch): void {
    const pass = this.#openPass(item.label);
    pass.setPipeline(item.kernel.pipeline);
    if (item.kernel.hasUniforms) {
      this.#host.set(item.uniforms, this.#uniformBytes);
      pass.setBindGroup(0, item.bindGroup, [this.#uniformBytes]);
      this.#uniformBytes += UNIFORM_STRIDE;
    } else {
      pass.setBindGroup(0, item.bindGroup);
    }
    pass.dispatchWorkgroups(...item.workgroups);
    this.#dispatches++;
    if (++this.#pending >= this.#capacity) this.flush();
  }

  copy(source: GPUBuffer, target: GPUBuffer, bytes: number): void {
    this.#encoderOutsidePass().copyBufferToBuffer(source, 0, target, 0, bytes);
    this.#pending++;
  }

  /** Submits what is recorded. Cheap when there is nothing. */
  flush(): void {
    this.#closePass();
    const encoder = this.#encoder;
    if (!encoder) return;
    const resolve = this.#resolveProfile(encoder);
    if (this.#uniformBytes > 0) {
      this.#device.queue.writeBuffer(this.arena, 0, this.#host, 0, this.#uniformBytes);
    }
    this.#device.queue.submit([encoder.finish()]);
    resolve?.();
    this.#submits++;
    this.#encoder = null;
    this.#pending = 0;
    this.#uniformBytes = 0;
  }

  /** From here on every dispatch runs in a pass of its own between two timestamps (needs `timestamp-query`). */
  startProfile(): void {
    this.flush();
    const capacity = Math.min(this.#capacity, 2048);
    const querySet = this.#device.createQuerySet({ label: 'profile', type: 'timestamp', count: 2 * capacity });
    this.#profile = { querySet, labels: [], capacity, times: [] };
  }

  /** Ends profiling; the times of every dispatch since `startProfile`, in order. */
  async stopProfile(): Promise<DispatchTime[]> {
    this.flush();
    const profile = this.#profile;
    this.#profile = null;
    if (!profile) return [];
    const times = (await Promise.all(profile.times)).flat();
    profile.querySet.destroy();
    return times;
  }

  #openPass(label: string): GPUComputePassEncoder {
    const profile = this.#profile;
    if (profile) {
      this.#closePass();
      if (profile.labels.length >= profile.capacity) this.flush();
      this.#encoder ??= this.#device.createCommandEncoder({ label: 'step' });
      const at = 2 * profile.labels.length;
      profile.labels.push(label);
      this.#pass = this.#encoder.beginComputePass({
        label,
        timestampWrites: { querySet: profile.querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 },
      });
      return this.#pass;
    }
    this.#encoder ??= this.#device.createCommandEncoder({ label: 'step' });
    this.#pass ??= this.#encoder.beginComputePass({ label: 'step' });
    return this.#pass;
  }

  #encoderOutsidePass(): GPUCommandEncoder {
    this.#closePass();
    this.#encoder ??= this.#device.createCommandEncoder({ label: 'step' });
    return this.#encoder;
  }

  #closePass(): void {
    this.#pass?.end();
    this.#pass = null;
  }

  #resolveProfile(encoder: GPUCommandEncoder): (() => void) | null {
    const profile = this.#profile;
    if (!profile || profile.labels.length === 0) return null;
    const labels = profile.labels;
    profile.labels = [];
    const size = labels.length * 16;
    const resolved = this.#device.createBuffer({ size, usage: BUFFER_USAGE.QUERY_RESOLVE | BUFFER_USAGE.COPY_SRC });
    const readable = this.#device.createBuffer({ size, usage: BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST });
    encoder.resolveQuerySet(profile.querySet, 0, labels.length * 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
    return () => {
      profile.times.push(
        readable.mapAsync(MAP_MODE_READ).then(() => {
          const stamps = new BigUint64Array(readable.getMappedRange().slice(0));
          readable.unmap();
          readable.destroy();
          resolved.destroy();
          return labels.map((label, index) => ({
            label,
            nanoseconds: Number(stamps[2 * index + 1] - stamps[2 * index]),
          }));
        }),
      );
    };
  }
}

/**
 * A recorded step that can run again: pipelines, bind groups and uniforms are prepared once; a replay only encodes.
 * (WebGPU's command buffers are single-use.)
 */
export class CapturedStep {
  readonly #device: GPUDevice;
  readonly #items: readonly (RecordedDispatch & { readonly offset: number })[];
  readonly #uniforms: GPUBuffer;
  readonly #release: () => void;

  constructor(
    device: GPUDevice,
    items: readonly { dispatch: RecordedDispatch; bindGroupFor: (arena: GPUBuffer) => GPUBindGroup }[],
    release: () => void,
  ) {
    this.#device = device;
    this.#release = release;
    const size = Math.max(1, items.length) * UNIFORM_STRIDE;
    this.#uniforms = device.createBuffer({
      label: 'captured uniforms',
      size,
      usage: BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST,
    });
    const host = new Uint8Array(size);
    this.#items = items.map(({ dispatch, bindGroupFor }, index) => {
      host.set(dispatch.uniforms, index * UNIFORM_STRIDE);
      const bindGroup = dispatch.kernel.hasUniforms ? bindGroupFor(this.#uniforms) : dispatch.bindGroup;
      return { ...dispatch, bindGroup, offset: index * UNIFORM_STRIDE };
    });
    device.queue.writeBuffer(this.#uniforms, 0, host);
  }

  get dispatches(): number {
    return this.#items.length;
  }

  /** Encodes and submits the step once more. Anything recorded eagerly must have been flushed before. */
  replay(): void {
    const encoder = this.#device.createCommandEncoder({ label: 'replay' });
    const pass = encoder.beginComputePass({ label: 'replay' });
    const offsets = [0];
    let current: GPUComputePipeline | null = null;
    for (const item of this.#items) {
      if (item.kernel.pipeline !== current) {
        current = item.kernel.pipeline;
        pass.setPipeline(current);
      }
      if (item.kernel.hasUniforms) {
        offsets[0] = item.offset;
        pass.setBindGroup(0, item.bindGroup, offsets);
      } else {
        pass.setBindGroup(0, item.bindGroup);
      }
      const [x, y, z] = item.workgroups;
      pass.dispatchWorkgroups(x, y, z);
    }
    pass.end();
    this.#device.queue.submit([encoder.finish()]);
  }

  /** Gives the step's buffers back. */
  dispose(): void {
    this.#uniforms.destroy();
    this.#release();
  }
}
