import { GmtlError } from '../errors.ts';
import { BUFFER_USAGE, MAP_MODE_READ } from './flags.ts';
import type { DeviceClass, Dispatch, PlanLimits, PlanTarget } from './kernel.ts';
import { type CompiledKernel, PipelineCache } from './pipelines.ts';
import { addStatistics, BufferPool, type PooledBuffer, type PoolStatistics } from './pool.ts';
import { CapturedStep, type DispatchTime, type RecordedDispatch, Recorder } from './recorder.ts';
import type { ShaderFiles } from './shaders.ts';

/** A range of a pooled buffer as a kernel sees it. */
export interface BoundBuffer {
  readonly pooled: PooledBuffer;
  /** Bytes bound, a multiple of 4. */
  readonly bytes: number;
}

export interface GpuDeviceOptions {
  readonly deviceClass: DeviceClass;
  /** Called when the device has nothing to do with the process any more. */
  readonly onDestroy?: () => void;
  /** Dispatches a submit may hold; small on displays with watchdogs. */
  readonly dispatchesPerSubmit?: number;
}

const OPTIONAL_FEATURES = ['timestamp-query', 'shader-f16', 'subgroups'] as const;
const MAX_CACHED_BIND_GROUPS = 16_384;
/** How long a failed readback waits for its reason. */
const LOSS_MILLISECONDS = 500;

/** A dispatch with its kernel compiled and its uniforms packed: what executing a cached plan needs. */
export interface PreparedDispatch {
  readonly kernel: CompiledKernel;
  readonly uniforms: Uint8Array;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
}

/** Owns a GPUDevice: memory, pipelines, command recording, errors. */
export class GpuDevice {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  readonly target: PlanTarget;
  readonly #options: GpuDeviceOptions;
  readonly #recorder: Recorder;
  readonly #pipelines: PipelineCache;
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #pool: BufferPool;
  #activePool: BufferPool;
  /** Pools of the captured steps that live. */
  readonly #capturePools = new Set<BufferPool>();
  #capture: { dispatch: RecordedDispatch; bindGroupFor: (arena: GPUBuffer) => GPUBindGroup }[] | null = null;
  readonly #pendingErrors = new Set<Promise<GmtlError | null>>();
  #failure: GmtlError | null = null;
  #failureIsVague = false;
  #destroyed = false;

  /** Requests a device with the adapter's own limits and those optional features that it has. */
  static async open(adapter: GPUAdapter, files: ShaderFiles, options: GpuDeviceOptions): Promise<GpuDevice> {
    const { limits } = adapter;
    const device = await adapter.requestDevice({
      label: 'gmtl',
      requiredFeatures: OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
        maxComputeWorkgroupSizeZ: limits.maxComputeWorkgroupSizeZ,
      },
    });
    return new GpuDevice(device, adapter.info, files, options);
  }

  private constructor(device: GPUDevice, info: GPUAdapterInfo, files: ShaderFiles, options: GpuDeviceOptions) {
    this.device = device;
    this.info = info;
    this.#options = options;
    const size = info as GPUAdapterInfo & { subgroupMinSize?: number; subgroupMaxSize?: number };
    const limits = device.limits as PlanLimits;
    this.target = {
      deviceClass: options.deviceClass,
      limits,
      features: new Set([...device.features]),
      subgroupSize:
        device.features.has('subgroups') && size.subgroupMinSize === size.subgroupMaxSize
          ? (size.subgroupMinSize ?? 0)
          : 0,
    };
    this.#recorder = new Recorder(device, options.dispatchesPerSubmit ?? 512);
    this.#pipelines = new PipelineCache(device, files, (pending) => this.#watch(pending));
    this.#pool = new BufferPool(
      (bytes, label) => this.#createBuffer(bytes, label),
      () => this.#bindGroups.clear(),
    );
    this.#activePool = this.#pool;
    device.lost.then((lost) => {
      if (this.#destroyed) return;
      this.#failure ??= new GmtlError(
        'device-lost',
        `the GPU device was lost (${lost.reason}): ${lost.message || 'no reason given'}. The driver may have run out of memory or ` +
          'stopped a kernel that ran too long: lower the batch or image size, or continue from the last checkpoint',
      );
    });
    device.onuncapturederror = (event) => {
      if (this.#failure) return;
      // A kernel that did not compile is reported here first, as an invalid object; its own error follows and says why.
      this.#failure = new GmtlError('gpu', `the GPU refused a command: ${event.error.message}`);
      this.#failureIsVague = true;
    };
  }

  /** `llvmpipe (LLVM 19.1.7, 256 bits)`, as shown to people. */
  get name(): string {
    return this.info.description || this.info.device || `${this.info.vendor} ${this.info.architecture}`;
  }

  get counts(): { dispatches: number; submits: number; pipelines: number } {
    return { ...this.#recorder.counts, pipelines: this.#pipelines.size };
  }

  /** Memory of the device's own pool and of every captured step's. The peak is the sum of their peaks: no less than the true one. */
  statistics(): PoolStatistics {
    return addStatistics([this.#pool, ...this.#capturePools].map((pool) => pool.statistics()));
  }

  resetPeak(): void {
    for (const pool of [this.#pool, ...this.#capturePools]) pool.resetPeak();
  }

  trim(): void {
    this.flush();
    this.#pool.trim();
  }

  // --- memory ---

  /** A buffer of at least `bytes`, its content undefined. `what` says in errors what it is for. */
  acquire(bytes: number, what: string): PooledBuffer {
    this.throwIfFailed();
    const { limits } = this.target;
    const limit = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
    if (bytes > limit) {
      throw new GmtlError(
        'buffer-too-large',
        `${what} takes ${bytes} bytes, but one buffer of this adapter (${this.name}) holds at most ${limit}: ` +
          'lower the batch size or the image size, or choose a smaller model',
      );
    }
    return this.#activePool.acquire(bytes, what);
  }

  /** The pool that buffers now come from; a buffer must go back to the pool it came from. */
  get activePool(): BufferPool {
    return this.#activePool;
  }

  /** Host → device. Waits for nothing, but what is recorded so far is submitted first, so that it reads the old content. */
  write(pooled: PooledBuffer, data: ArrayBufferView<ArrayBuffer>): void {
    this.throwIfFailed();
    if (this.#capture) throw new GmtlError('capture', 'a host write cannot be captured; write inputs before the step');
    this.flush();
    this.device.queue.writeBuffer(pooled.buffer, 0, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Device → host, after everything recorded so far. */
  async read(pooled: PooledBuffer, bytes: number): Promise<ArrayBuffer> {
    this.throwIfFailed();
    const staging = this.#createBuffer(bytes, 'readback', BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST);
    this.#recorder.copy(pooled.buffer, staging, bytes);
    this.flush();
    try {
      await staging.mapAsync(MAP_MODE_READ);
      const content = staging.getMappedRange().slice(0);
      staging.unmap();
      await this.#settleErrors();
      return content;
    } catch (cause) {
      await this.#settleErrors();
      // A readback fails when the device is lost, but the loss itself may be told a moment later.
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, LOSS_MILLISECONDS))]);
      this.throwIfFailed();
      throw cause;
    } finally {
      staging.destroy();
    }
  }

  copy(source: PooledBuffer, target: PooledBuffer, bytes: number): void {
    if (this.#capture) throw new GmtlError('capture', 'a buffer copy cannot be captured; use the copy op');
    this.#recorder.copy(source.buffer, target.buffer, bytes);
  }

  // --- commands ---

  /** Compiles the dispatch's kernel (once) and packs its uniforms. */
  prepare(dispatch: Dispatch, label: string): PreparedDispatch {
    const limit = this.target.limits.maxComputeWorkgroupsPerDimension;
    if (dispatch.workgroups.some((count) => count > limit || count < 1 || !Number.isInteger(count))) {
      throw new GmtlError(
        'dispatch',
        `${label}: a grid of ${dispatch.workgroups.join(' x ')} workgroups is not possible`,
      );
    }
    const kernel = this.#pipelines.get(dispatch, label);
    const uniforms = new Uint8Array(kernel.uniformFields.length * 4);
    const view = new DataView(uniforms.buffer);
    kernel.uniformFields.forEach(([field, type], index) => {
      const value = dispatch.uniforms[field];
      if (value === undefined || Number.isNaN(value))
        throw new GmtlError('dispatch', `${label}: uniform ${field} is ${value}`);
      if (type === 'f32') view.setFloat32(index * 4, value, true);
      else if (type === 'i32') view.setInt32(index * 4, value, true);
      else view.setUint32(index * 4, value, true);
    });
    return { kernel, uniforms, workgroups: dispatch.workgroups, label };
  }

  /** Records one dispatch over `buffers`, given in the order of the kernel's bindings. */
  dispatch(prepared: PreparedDispatch, buffers: readonly BoundBuffer[]): void {
    this.throwIfFailed();
    const bindGroup = this.#bindGroup(prepared, buffers);
    const recorded: RecordedDispatch = { ...prepared, bindGroup };
    if (this.#capture) {
      this.#capture.push({
        dispatch: recorded,
        bindGroupFor: (arena) => this.#createBindGroup(prepared, buffers, arena),
      });
    }
    this.#recorder.dispatch(recorded);
  }

  flush(): void {
    this.#recorder.flush();
  }

  /** Waits until the device has done everything recorded so far; throws what went wrong on the way. */
  async synchronize(): Promise<void> {
    this.flush();
    await this.device.queue.onSubmittedWorkDone();
    await this.#settleErrors();
  }

  startProfile(): void {
    if (!this.target.features.has('timestamp-query')) {
      throw new GmtlError('profile', `the adapter ${this.name} has no timestamp queries`);
    }
    this.#recorder.startProfile();
  }

  stopProfile(): Promise<DispatchTime[]> {
    return this.#recorder.stopProfile();
  }

  /**
   * Runs `record` (which executes as usual) and keeps what it dispatched, to be replayed. All buffers made meanwhile belong
   * to the captured step: nothing else will be given them, so a replay overwrites nobody's data.
   */
  capture(record: () => void): CapturedStep {
    if (this.#capture) throw new GmtlError('capture', 'a capture is already under way');
    this.flush();
    const pool = new BufferPool(
      (bytes, label) => this.#createBuffer(bytes, label),
      () => this.#bindGroups.clear(),
    );
    this.#capturePools.add(pool);
    const dropPool = (): void => {
      pool.trim();
      if (pool.statistics().allocatedBuffers === 0) this.#capturePools.delete(pool);
    };
    const previous = this.#activePool;
    const items: { dispatch: RecordedDispatch; bindGroupFor: (arena: GPUBuffer) => GPUBindGroup }[] = [];
    this.#activePool = pool;
    this.#capture = items;
    try {
      record();
    } catch (cause) {
      // The device may still run what was recorded so far, and nothing of it is of use.
      this.flush();
      dropPool();
      throw cause;
    } finally {
      this.#activePool = previous;
      this.#capture = null;
    }
    this.flush();
    return new CapturedStep(this.device, items, dropPool);
  }

  // --- errors and end ---

  /** Whether the device reported a failure: nothing more can be done with it. */
  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Throws the first failure the device reported since (shader, validation, out of memory, lost). */
  throwIfFailed(): void {
    if (this.#failure) throw this.#failure;
  }

  async #settleErrors(): Promise<void> {
    while (this.#pendingErrors.size > 0) await Promise.all([...this.#pendingErrors]);
    this.throwIfFailed();
  }

  #watch(pending: Promise<GmtlError | null>): void {
    const watched = pending.then((error) => {
      this.#pendingErrors.delete(watched);
      if (error && (!this.#failure || this.#failureIsVague)) {
        this.#failure = error;
        this.#failureIsVague = false;
      }
      return error;
    });
    this.#pendingErrors.add(watched);
  }

  #createBuffer(
    size: number,
    label: string,
    usage = BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST,
  ): GPUBuffer {
    const { device } = this;
    device.pushErrorScope('out-of-memory');
    const buffer = device.createBuffer({ label, size, usage });
    this.#watch(
      device
        .popErrorScope()
        .then((error) =>
          error
            ? new GmtlError(
                'out-of-memory',
                `the adapter ${this.name} has no memory left for ${label} (${size} bytes; ` +
                  `${this.statistics().allocatedBytes} held): lower the batch size or the image size`,
              )
            : null,
        ),
    );
    return buffer;
  }

  #bindGroup(prepared: PreparedDispatch, buffers: readonly BoundBuffer[]): GPUBindGroup {
    let key = `${prepared.kernel.layoutId}:${prepared.uniforms.byteLength}`;
    for (const bound of buffers) key += `,${bound.pooled.id}:${bound.bytes}`;
    let group = this.#bindGroups.get(key);
    if (!group) {
      if (this.#bindGroups.size >= MAX_CACHED_BIND_GROUPS) this.#bindGroups.clear();
      group = this.#createBindGroup(prepared, buffers, this.#recorder.arena);
      this.#bindGroups.set(key, group);
    }
    return group;
  }

  #createBindGroup(prepared: PreparedDispatch, buffers: readonly BoundBuffer[], arena: GPUBuffer): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = buffers.map((bound, index) => ({
      binding: index + 1,
      resource: { buffer: bound.pooled.buffer, size: bound.bytes },
    }));
    if (prepared.kernel.hasUniforms) {
      entries.unshift({ binding: 0, resource: { buffer: arena, size: prepared.uniforms.byteLength } });
    }
    return this.device.createBindGroup({ label: prepared.label, layout: prepared.kernel.layout, entries });
  }

  /** Frees the device; the process can exit by itself afterwards. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.device.destroy();
    this.#options.onDestroy?.();
  }
}
