/** Backends that watch executions, or pass only shapes through: for tests, benchmarks and verification. */
import type { TensorSpec, TypedArray } from '../tensor/spec.ts';
import type { Backend, BackendStatistics } from './backend.ts';
import type { Program } from './definition.ts';
import { Storage, type Value } from './value.ts';

/** A dry run was asked for a value, which it does not have. */
export class DryRunEnd extends Error {
  constructor() {
    super('a dry run has no values to download');
  }
}

/** Executes nothing: values have shapes and no memory. For walking a computation to see which programs it would run. */
export class DryBackend implements Backend {
  readonly name = 'dry run';
  readonly dry = true;
  #liveBuffers = 0;

  allocate(spec: TensorSpec): Value {
    this.#liveBuffers++;
    return { spec, storage: new Storage({ kind: 'none' }, () => void this.#liveBuffers--) };
  }

  upload(spec: TensorSpec): Value {
    return this.allocate(spec);
  }

  write(): void {}

  async download(): Promise<Float64Array> {
    throw new DryRunEnd();
  }

  execute(): void {}

  async synchronize(): Promise<void> {}

  statistics(): BackendStatistics {
    return { liveBytes: 0, liveBuffers: this.#liveBuffers, peakLiveBytes: 0, allocatedBytes: 0 };
  }

  destroy(): void {}
}

/** One execution as a tap saw it, before it ran. */
export interface Invocation {
  readonly program: Program;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: object;
}

/** What is called before and after each execution. */
export interface Taps {
  readonly before?: (invocation: Invocation) => void;
  readonly after?: (invocation: Invocation) => void;
}

/** Passes everything on to `inner` and shows `before` / `after` each execution: verification, tests, benchmarks, counting. */
export class TapBackend implements Backend {
  readonly inner: Backend;
  readonly #taps: Taps;

  constructor(inner: Backend, taps: Taps) {
    this.inner = inner;
    this.#taps = taps;
  }

  get name(): string {
    return this.inner.name;
  }

  get dry(): boolean {
    return this.inner.dry ?? false;
  }

  allocate(spec: TensorSpec, what: string): Value {
    return this.inner.allocate(spec, what);
  }

  upload(spec: TensorSpec, data: TypedArray | readonly number[] | Float64Array, what: string): Value {
    return this.inner.upload(spec, data, what);
  }

  write(value: Value, data: TypedArray | Float64Array): void {
    this.inner.write(value, data);
  }

  download(value: Value): Promise<TypedArray | Float64Array> {
    return this.inner.download(value);
  }

  execute<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
    version?: string,
  ): void {
    const invocation: Invocation = { program: program as Program, inputs, outputs, attributes };
    this.#taps.before?.(invocation);
    this.inner.execute(program, inputs, outputs, attributes, version);
    this.#taps.after?.(invocation);
  }

  flush(): void {
    this.inner.flush?.();
  }

  synchronize(): Promise<void> {
    return this.inner.synchronize();
  }

  statistics(): BackendStatistics {
    return this.inner.statistics();
  }

  destroy(): void {
    this.inner.destroy();
  }
}
