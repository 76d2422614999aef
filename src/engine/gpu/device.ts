/** Wraps one GPUDevice for the engine: buffers, pipelines, dispatches, captured steps and errors. */
import { GmtlError } from '../errors.ts';
import { DeviceFailures } from './failures.ts';
import { BUFFER_USAGE, MAP_MODE_READ } from './flags.ts';
import type { DeviceClass, Dispatch, PlanLimits, PlanTarget } from './kernel.ts';
import { BindGroups, type BoundBuffer, type PreparedDispatch } from './bindGroups.ts';
import { PipelineCache } from './pipelines.ts';
import { Capture, type CaptureTiming, type CompileProgress, type Wait } from './capture.ts';
import { CaptureBuilder, type PlannedDispatch } from './captureBuilder.ts';
import { CommandBatcher } from './commandBatcher.ts';
import { addStatistics, BufferPool, type BufferSource, type PooledBuffer, type PoolStatistics } from './pool.ts';
import { packagedShaders, type ShaderFiles } from './shaders.ts';
import { areSubgroupsInOrder, keepsHalfInfinity } from './probes.ts';
import { requestDevice } from './requestDevice.ts';
import { renew, Submits } from './submits.ts';
import { subgroupsOf } from './subgroups.ts';
import type { DispatchTime } from './timestamps.ts';
import { UniformArena } from './uniforms.ts';

/** Options of `GpuDevice.open`. */
export interface GpuDeviceOptions {
  readonly deviceClass: DeviceClass;
  /** Called when the device is destroyed, to release what it was opened from. */
  readonly onDestroy?: () => void;
  /**
   * Seconds of work, as a slow GPU would take for what programs state, after which a submit ends: watchdogs of systems with a display
   * end a submit that runs for two seconds or more. Default 0.3. A single program is never cut.
   */
  readonly secondsPerSubmit?: number;
  /** Where shader files are read from. Default: the package's own. */
  readonly shaders?: ShaderFiles;
  /** How the host waits for the device. Default: it awaits the promise. */
  readonly wait?: Wait;
  /** Whether a GPU is asked by small dispatches for what its info does not promise. Default true; false for devices that run nothing. */
  readonly probe?: boolean;
}

/** How long a failed readback waits for its reason. */
const LOSS_MILLISECONDS = 500;

/** What a captured body dispatched and allocated, and the pooled buffers that it released, which its dispatches may still use. */
interface Collected {
  readonly builder: CaptureBuilder;
  readonly held: readonly PooledBuffer[];
}

/**
 * Owns a GPUDevice: memory, pipelines, command recording, errors. Commands are recorded and submitted together. What allocates, writes, reads or
 * dispatches throws `gpu/…` once the device is lost, out of memory or destroyed; what reads or uses a buffer throws, too, where the GPU refused to
 * compute its content. `createEngine` opens one; a library user needs it for measurements alone.
 */
export class GpuDevice {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  readonly target: PlanTarget;
  /** Settles as the promise does; used where the host waits for the device. */
  readonly wait: Wait;
  readonly #options: GpuDeviceOptions;
  readonly #submits: Submits;
  readonly #commands: CommandBatcher;
  readonly #pipelines: PipelineCache;
  readonly #uniforms: UniformArena;
  readonly #bindGroups: BindGroups;
  readonly #pool: BufferPool;
  #compilesLater = false;
  /** The step that is being captured. */
  #capturing: CaptureBuilder | null = null;
  /** Captured steps that hold memory. */
  readonly #captured = new Set<CaptureBuilder>();
  readonly #failures: DeviceFailures;
  #losesInfinity = false;
  #destroyed = false;

  /**
   * Requests a device with the adapter's own limits and those optional features that it has; of GPUs it asks whether what they claim holds, and plans by
   * that. Rejects with what the adapter reports.
   */
  static async open(adapter: GPUAdapter, options: GpuDeviceOptions): Promise<GpuDevice> {
    const device = await requestDevice(adapter);
    const opened = new GpuDevice(device, adapter.info, options);
    // Of software adapters it is known: test cases hold it.
    if (options.deviceClass !== 'gpu' || options.probe === false) return opened;
    try {
      await opened.#ask();
    } catch (error) {
      opened.destroy();
      throw error;
    }
    return opened;
  }

  private constructor(device: GPUDevice, info: GPUAdapterInfo, options: GpuDeviceOptions) {
    this.device = device;
    this.info = info;
    this.#options = options;
    this.wait = options.wait ?? ((pending) => pending);
    const limits = device.limits as PlanLimits;
    this.target = {
      deviceClass: options.deviceClass,
      limits,
      features: new Set([...device.features]),
      ...subgroupsOf(info, device.features),
    };
    this.#failures = new DeviceFailures(device);
    this.#submits = new Submits(device, this.#failures);
    this.#commands = new CommandBatcher(device, this.#submits, options.secondsPerSubmit ?? 0.3);
    const files = options.shaders ?? packagedShaders;
    this.#pipelines = new PipelineCache(device, files, (pending) => this.#failures.explain(pending));
    this.#pool = new BufferPool(
      (bytes, label) => this.#createBuffer(bytes, label),
      () => this.#bindGroups.clear(),
    );
    this.#uniforms = new UniformArena(device);
    this.#bindGroups = new BindGroups(device);
  }

  /** Takes from the target what the device turns out not to have. */
  async #ask(): Promise<void> {
    const { features, subgroupSize } = this.target;
    if (subgroupSize > 0 && !(await areSubgroupsInOrder(this, subgroupSize))) {
      const { subgroupMatrix, ...target } = this.target;
      Object.assign(this, { target: { ...target, subgroupSize: 0 } });
    }
    this.#losesInfinity = features.has('shader-f16') && !(await keepsHalfInfinity(this));
  }

  /** `llvmpipe (LLVM 19.1.7, 256 bits)`, as shown to people. */
  get name(): string {
    const { description, device, vendor, architecture } = this.info;
    return description || device || [vendor, architecture].filter(Boolean).join(' ') || 'an adapter without a name';
  }

  /** Whether it has float16 and numbers that overflow do not become infinite there, as the scaling of losses needs. */
  get losesInfinity(): boolean {
    return this.#losesInfinity;
  }

  /** Dispatches and submits so far, and pipelines compiled. */
  get counts(): { dispatches: number; submits: number; pipelines: number } {
    return { ...this.#commands.counts, pipelines: this.#pipelines.size };
  }

  /** Memory in bytes, and buffers, of the device's own pool and of every captured step together. */
  statistics(): PoolStatistics {
    const captured = [...this.#captured].map(({ heldBytes, heldBuffers }): PoolStatistics => {
      return {
        liveBytes: heldBytes,
        allocatedBytes: heldBytes,
        peakLiveBytes: heldBytes,
        liveBuffers: heldBuffers,
        allocatedBuffers: heldBuffers,
      };
    });
    return addStatistics([this.#pool.statistics(), ...captured]);
  }

  /** Lets `peakLiveBytes` of {@link statistics} start anew at what is live. */
  resetPeak(): void {
    this.#pool.resetPeak();
  }

  /** Submits what is recorded and gives memory back to the driver that the pool keeps for later use. */
  trim(): void {
    this.flush();
    this.#pool.trim();
  }

  // --- memory ---

  /** Bytes that one buffer can hold and a kernel can bind. */
  get largestBuffer(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.target.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /** A buffer of at least `bytes`, its content undefined. `what` names its purpose in errors; it must be released to `source`. */
  acquire(bytes: number, what: string, source = this.bufferSource): PooledBuffer {
    this.throwIfFailed();
    const limit = this.largestBuffer;
    if (bytes > limit) {
      throw new GmtlError(
        'gpu/buffer-too-large',
        `${what} takes ${bytes} bytes, but one buffer of this adapter (${this.name}) holds at most ${limit}: ` +
          'lower the batch size or the image size, or choose a smaller model',
      );
    }
    return source.acquire(bytes, what);
  }

  /** Where buffers currently come from. */
  get bufferSource(): BufferSource {
    return this.#capturing ?? this.#pool;
  }

  /** Where buffers come from that the host fills at once: they are not part of a step that is being captured. */
  get uploadSource(): BufferSource {
    return this.#pool;
  }

  /**
   * Host → device. Does not wait, but first submits what is recorded so far, so that it reads the old content. In a step that
   * is being captured only a new buffer of `uploadSource` can be written: it is written now, once. `isPart`: more of the buffer is in use.
   */
  write(pooled: PooledBuffer, data: ArrayBufferView<ArrayBuffer>, isNew = false, isPart = false): void {
    this.throwIfFailed();
    if (this.#capturing && !isNew)
      throw new GmtlError(
        'gpu/capture',
        'a host write cannot be captured: write inputs before each run; of an optimizer or an EMA, leave update() in the body and call advance() before each run',
      );
    this.flush();
    this.device.queue.writeBuffer(pooled.buffer, 0, data.buffer, data.byteOffset, data.byteLength);
    if (isPart) pooled.version++;
    else renew(pooled);
  }

  /**
   * Device → host, after everything recorded so far. Throws why the content is undefined, where the GPU refused what it rests on.
   */
  async read(pooled: PooledBuffer, bytes: number): Promise<ArrayBuffer> {
    this.throwIfFailed();
    const { since, until, version } = pooled;
    for (let alone = false; ; alone = true) {
      if (alone) this.flush();
      const submit = this.#submits.next;
      const content = await this.#copyOut(pooled, bytes);
      this.#submits.requireDefined([{ since, until, version }]);
      const refusal = this.#submits.refusal(submit);
      if (!refusal) return content;
      // Something else in the submit of the copy was refused: the copy goes again, alone, while the content is the same.
      if (alone || pooled.version !== version) throw this.#failures.told(refusal);
    }
  }

  async #copyOut(pooled: PooledBuffer, bytes: number): Promise<ArrayBuffer> {
    const staging = this.#createBuffer(bytes, 'readback', BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST);
    this.#commands.copy(pooled.buffer, staging, bytes);
    this.flush();
    try {
      await this.wait(staging.mapAsync(MAP_MODE_READ));
      const content = staging.getMappedRange().slice(0);
      staging.unmap();
      await this.#failures.arrived();
      return content;
    } catch (cause) {
      await this.#failures.arrived();
      // A readback fails when the device is lost, but the loss itself may be reported a moment later.
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, LOSS_MILLISECONDS))]);
      this.throwIfFailed();
      throw cause;
    } finally {
      staging.destroy();
    }
  }

  // --- commands ---

  /**
   * Compiles the dispatch's kernel (once; in the background for a step captured with `captureAsync`) and packs its uniforms. `seconds`: what
   * a slow GPU may take for it, by which submits are cut.
   */
  prepare(dispatch: Dispatch, label: string, seconds = 0): PreparedDispatch {
    const limit = this.target.limits.maxComputeWorkgroupsPerDimension;
    if (dispatch.workgroups.some((count) => count > limit || count < 1 || !Number.isInteger(count))) {
      throw new GmtlError(
        'gpu/dispatch',
        `${label}: a grid of ${dispatch.workgroups.join(' x ')} workgroups is not possible`,
      );
    }
    const kernel = this.#pipelines.get(dispatch, label, this.#compilesLater);
    const uniforms = new Uint8Array(kernel.uniformFields.length * 4);
    const view = new DataView(uniforms.buffer);
    kernel.uniformFields.forEach(([field, type], index) => {
      const value = dispatch.uniforms[field];
      if (value === undefined || (type !== 'f32' && Number.isNaN(value)))
        throw new GmtlError('gpu/dispatch', `${label}: uniform ${field} is ${value}`);
      if (type === 'f32') view.setFloat32(index * 4, value, true);
      else if (type === 'i32') view.setInt32(index * 4, value, true);
      else view.setUint32(index * 4, value, true);
    });
    const slot = kernel.hasUniforms ? this.#uniforms.slot(uniforms) : null;
    return { kernel, uniforms: slot, workgroups: dispatch.workgroups, label, seconds };
  }

  /** Compiles a dispatch's kernel on trial and returns the device's error, which does not fail the device, or null: the kernel is kept then. */
  async probe(dispatch: Dispatch): Promise<string | null> {
    this.throwIfFailed();
    return (await this.wait(this.#pipelines.probe(dispatch)))?.message ?? null;
  }

  /**
   * Records one dispatch over `buffers`, given in the order of the kernel's bindings. Throws where the kernel is known not to compile, or the
   * content of a buffer is undefined because the GPU refused what it rests on.
   */
  dispatch(prepared: PreparedDispatch, buffers: readonly BoundBuffer[]): void {
    this.throwIfFailed();
    const { failure, writes } = prepared.kernel;
    if (failure) throw this.#failures.told(failure);
    const contents = buffers.map(({ pooled }) => pooled);
    this.#submits.requireDefined(contents);
    if (this.#capturing) {
      const item: PlannedDispatch = {
        kernel: prepared.kernel,
        workgroups: prepared.workgroups,
        label: prepared.label,
        seconds: prepared.seconds,
        buffers: contents,
        bind: () => this.#bindGroups.create(prepared, buffers),
      };
      this.#capturing.dispatch(item);
      return;
    }
    const { kernel, workgroups, label, seconds } = prepared;
    const { pipeline } = kernel;
    const since = this.#submits.since(contents);
    const bindGroup = this.#bindGroups.get(prepared, buffers);
    const submit = this.#commands.dispatch({ pipeline, workgroups, label, seconds, bindGroup });
    this.#submits.uses(kernel, submit, submit);
    for (let index = 0; index < writes.length; index++) {
      if (writes[index]) this.#submits.wrote(contents[index], since, submit);
    }
  }

  /** Submits what is recorded; does not wait for it. Does nothing on a destroyed device. */
  flush(): void {
    if (this.#destroyed) return;
    this.#commands.flush();
  }

  /** Waits until the device has done everything recorded so far; throws what it reported and nobody was told yet. */
  async synchronize(): Promise<void> {
    this.throwIfFailed();
    this.flush();
    await this.wait(this.device.queue.onSubmittedWorkDone());
    await this.#failures.settle();
  }

  /** Times every dispatch from here on. @throws GmtlError `gpu/profile` without timestamp queries. */
  startProfile(): void {
    if (!this.target.features.has('timestamp-query')) {
      throw new GmtlError('gpu/profile', `the adapter ${this.name} has no timestamp queries`);
    }
    this.#commands.startProfile();
  }

  /** Ends the profile and waits for it: a time in nanoseconds for each dispatch since `startProfile`, by the device's timestamps. */
  stopProfile(): Promise<DispatchTime[]> {
    return this.wait(this.#commands.stopProfile());
  }

  /**
   * Captures what `body` dispatches, to be replayed, and runs it once. Nothing runs before `body` has returned: then the memory of its
   * temporaries is planned by their lifetimes, and what it still holds (results) has memory of its own. Tensors made from host data in
   * `body` are written once, now.
   */
  capture(body: () => void): Capture {
    const start = performance.now();
    const collected = this.#collect(body);
    const step = this.#finish(collected, { record: performance.now() - start, compile: 0 });
    step.replay();
    return step;
  }

  /**
   * As `capture`, but kernels that are not compiled yet are compiled in parallel, in the background. `progress` is called during the first run,
   * in which software adapters do most of their compiling; without it that run is a plain replay. Until the promise settles, nothing else may be
   * recorded or run on this device's tensors or on `body`'s results.
   */
  async captureAsync(body: () => void, progress?: CompileProgress): Promise<Capture> {
    this.#compilesLater = true;
    const start = performance.now();
    let collected: Collected;
    try {
      collected = this.#collect(body);
    } finally {
      this.#compilesLater = false;
    }
    const record = performance.now() - start;
    const compiling = new Set(collected.builder.items.map(({ kernel }) => kernel.compiling));
    try {
      // While it compiles, a polling event loop would take the core from it.
      await this.wait(Promise.all(compiling));
      await this.#failures.arrived();
      const failure = collected.builder.items.find(({ kernel }) => kernel.failure)?.kernel.failure;
      if (failure) throw this.#failures.told(failure);
    } catch (cause) {
      this.#giveUp(collected);
      throw cause;
    }
    const step = this.#finish(collected, { record, compile: performance.now() - start - record });
    if (progress) await step.replayWatched(progress);
    else step.replay();
    return step;
  }

  #collect(body: () => void): Collected {
    if (this.#capturing) throw new GmtlError('gpu/capture', 'a capture is already under way');
    this.throwIfFailed();
    this.flush();
    const builder = new CaptureBuilder(this.#pool, () => this.flush());
    this.#capturing = builder;
    try {
      return { builder, held: this.#pool.holding(body) };
    } catch (cause) {
      this.#giveUp({ builder, held: [] });
      throw cause;
    } finally {
      this.#capturing = null;
    }
  }

  /** Ends a capture that will not be run. */
  #giveUp({ builder, held }: Collected): void {
    builder.giveUp();
    for (const pooled of held) this.#pool.release(pooled);
  }

  #finish(collected: Collected, timing: Omit<CaptureTiming, 'prepare'>): Capture {
    const { builder, held } = collected;
    try {
      this.throwIfFailed();
    } catch (cause) {
      this.#giveUp(collected);
      throw cause;
    }
    const start = performance.now();
    const memory = builder.plan((bytes, label) => this.#createBuffer(bytes, label));
    this.#captured.add(builder);
    const items = builder.items.map(({ kernel, workgroups, label, seconds, bind }) => ({
      pipeline: kernel.pipeline,
      workgroups,
      label,
      seconds,
      bindGroup: bind(),
    }));
    const spent = { ...timing, prepare: performance.now() - start };
    const { contents } = builder;
    for (const pooled of held) this.#pool.release(pooled);
    return new Capture(this, this.#commands, this.#submits, contents, items, memory, spent, () => {
      this.flush();
      builder.dispose();
      if (builder.heldBuffers === 0) this.#captured.delete(builder);
    });
  }

  // --- errors and end ---

  /** Whether the device was lost or ran out of memory: nothing more can be done with it. */
  get failed(): boolean {
    return this.#failures.isFinal;
  }

  /** Throws what ended the device, if anything did: it was lost, or ran out of memory, or was destroyed. */
  throwIfFailed(): void {
    if (this.#destroyed)
      throw new GmtlError('gpu/destroyed', 'the engine was destroyed: nothing can be computed or read on it any more');
    this.#failures.throwIfFinal();
  }

  #createBuffer(
    size: number,
    label: string,
    usage = BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST,
  ): GPUBuffer {
    const { device } = this;
    device.pushErrorScope('out-of-memory');
    const buffer = device.createBuffer({ label, size, usage });
    this.#failures.watch(
      device
        .popErrorScope()
        .then((error) =>
          error
            ? new GmtlError(
                'gpu/out-of-memory',
                `the adapter ${this.name} has no memory left for ${label} (${size} bytes; ` +
                  `${this.statistics().allocatedBytes} held): lower the batch size or the image size`,
              )
            : null,
        ),
    );
    return buffer;
  }

  /** Frees the device and its memory; the process can exit by itself afterwards. A second call does nothing. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#failures.end();
    this.device.destroy();
    this.#options.onDestroy?.();
  }
}
