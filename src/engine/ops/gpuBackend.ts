/** Runs programs on a GPU: plans are made once for a program, its shapes and attributes, and cached. */
import { checkAttributes, requireMade } from '../arguments.ts';
import { GmtlError } from '../errors.ts';
import type { BoundBuffer, PreparedDispatch } from '../gpu/bindGroups.ts';
import type { GpuDevice } from '../gpu/device.ts';
import type { BufferReference, Plan } from '../gpu/kernel.ts';
import type { BufferSource } from '../gpu/pool.ts';
import {
  byteLength,
  formatShape,
  fromDeviceBytes,
  sizeOf,
  type TensorSpec,
  toDeviceBytes,
  type TypedArray,
} from '../tensor/spec.ts';
import type { Backend, BackendStatistics } from './backend.ts';
import { bindingProblem } from './bindings.ts';
import type { Program } from './definition.ts';
import { Storage, type Value } from './value.ts';
import { slowSeconds, workOf } from './work.ts';

interface PreparedPlan {
  readonly dispatches: readonly { readonly prepared: PreparedDispatch; readonly buffers: readonly BufferReference[] }[];
  readonly scratch: readonly number[];
}

/** Options of a {@link GpuBackend}. */
export interface GpuBackendOptions {
  /** Forces kernel versions: program name → version. For tests, benchmarks and tuning. */
  readonly versions?: ReadonlyMap<string, string>;
  /** Versions that were measured to be fastest here, by `planKey`; where one cannot run, the plan chooses as without it. */
  readonly tuned?: ReadonlyMap<string, string>;
}

const MAX_CACHED_PLANS = 16_384;

/** JSON, except that it tells infinities and NaN apart, all of which JSON calls null. */
function attributesKey(attributes: object): string {
  const text = JSON.stringify(attributes);
  if (!text.includes('null')) return text;
  return JSON.stringify(attributes, (_, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}

/** Says what work a call is: program, attributes, types and shapes of the inputs. */
export function planKey(program: string, inputs: readonly TensorSpec[], attributes: object): string {
  let key = `${program}|${attributesKey(attributes)}`;
  for (const { dtype, shape } of inputs) key += `|${dtype}${shape.join(',')}`;
  return key;
}

function describe(inputs: readonly { readonly spec: TensorSpec }[]): string {
  return inputs.map((input) => formatShape(input.spec.shape)).join(' ');
}

/** Bindings end on whole vec4f (the pool's buffers do too), so that any tensor can be read as `array<vec4f>`. */
function bindingBytes(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}

/**
 * Runs programs on a device. Plans are made once for a program, its shapes and attributes; pipelines are compiled once for a plan. Its methods throw
 * what the device reports (`gpu/…`).
 */
export class GpuBackend implements Backend {
  readonly gpu: GpuDevice;
  readonly #versions: ReadonlyMap<string, string>;
  readonly #tuned: ReadonlyMap<string, string>;
  readonly #plans = new Map<string, PreparedPlan>();

  constructor(gpu: GpuDevice, options: GpuBackendOptions = {}) {
    requireMade('GpuBackend', 'gpu', gpu, ['device', 'target'], 'GpuDevice.open');
    checkAttributes('GpuBackend', { versions: 'map?', tuned: 'map?' }, options);
    this.gpu = gpu;
    this.#versions = options.versions ?? new Map();
    this.#tuned = options.tuned ?? new Map();
  }

  /** The adapter, as shown to people. */
  get name(): string {
    return this.gpu.name;
  }

  allocate(spec: TensorSpec, what: string): Value {
    return this.#allocate(spec, what, this.gpu.bufferSource);
  }

  #allocate(spec: TensorSpec, what: string, source: BufferSource): Value {
    const bytes = byteLength(spec);
    const pooled = this.gpu.acquire(bytes, `${what} ${formatShape(spec.shape)}`, source);
    const handle = { kind: 'gpu', bound: { pooled, bytes: bindingBytes(bytes) } } as const;
    return { spec, storage: new Storage(handle, () => source.release(pooled)) };
  }

  upload(spec: TensorSpec, data: TypedArray | readonly number[] | Float64Array, what: string): Value {
    const value = this.#allocate(spec, what, this.gpu.uploadSource);
    this.#write(value, data, true);
    return value;
  }

  write(value: Value, data: TypedArray | readonly number[] | Float64Array): void {
    this.#write(value, data, false);
  }

  #write(value: Value, data: TypedArray | readonly number[] | Float64Array, isNew: boolean): void {
    const { shape, dtype } = value.spec;
    if (data.length !== sizeOf(shape)) {
      throw new GmtlError('tensor/shape', `${data.length} numbers do not fill a tensor of shape ${formatShape(shape)}`);
    }
    const { pooled, bytes } = this.#bound(value);
    const written = toDeviceBytes(dtype, data);
    this.gpu.write(pooled, written, isNew, bindingBytes(written.byteLength) < bytes);
  }

  async download(value: Value): Promise<TypedArray> {
    const { spec } = value;
    // Copies are made in whole words: odd counts of f16 end in the middle of one.
    const bytes = Math.ceil(byteLength(spec) / 4) * 4;
    return fromDeviceBytes(spec.dtype, await this.gpu.read(this.#bound(value).pooled, bytes), sizeOf(spec.shape));
  }

  execute<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
    version = this.#versions.get(program.name),
  ): void {
    const plan = this.#plan(program, inputs, outputs, attributes, version);
    const scratch = plan.scratch.map((bytes) => ({
      pooled: this.gpu.acquire(bytes, `${program.name} scratch`),
      bytes: bindingBytes(bytes),
    }));
    const source = this.gpu.bufferSource;
    const resolve = (reference: BufferReference): BoundBuffer => {
      const index = Number(reference.slice(reference.startsWith('in') ? 2 : 3));
      if (reference.startsWith('in')) return this.#bound(inputs[index]);
      return reference.startsWith('out') ? this.#bound(outputs[index]) : scratch[index];
    };
    try {
      for (const { prepared, buffers } of plan.dispatches) this.gpu.dispatch(prepared, buffers.map(resolve));
    } finally {
      for (const buffer of scratch) source.release(buffer.pooled);
    }
  }

  /** The version that a call is to run in, by force or by tuning; undefined where its plan chooses. */
  versionFor<A extends object>(
    program: Program<A>,
    inputs: readonly TensorSpec[],
    outputs: readonly TensorSpec[],
    attributes: A,
  ): string | undefined {
    const forced = this.#versions.get(program.name);
    if (forced !== undefined) return forced;
    const tuned = this.#tuned.get(planKey(program.name, inputs, attributes));
    const runs = tuned !== undefined && program.plan(inputs, outputs, attributes, this.gpu.target, tuned) !== null;
    return runs ? tuned : undefined;
  }

  #plan<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
    version: string | undefined,
  ): PreparedPlan {
    const inputSpecs = inputs.map((input) => input.spec);
    const call = planKey(program.name, inputSpecs, attributes);
    const key = `${version ?? ''}|${call}`;
    const cached = this.#plans.get(key);
    if (cached) return cached;

    const outputSpecs = outputs.map((output) => output.spec);
    const planFor = (name: string | undefined) =>
      program.plan(inputSpecs, outputSpecs, attributes, this.gpu.target, name);
    const tuned = version === undefined ? this.#tuned.get(call) : undefined;
    const chosen = (tuned !== undefined && planFor(tuned)) || planFor(version);
    const plan = chosen && version === undefined ? this.#within(chosen, program.versions ?? [], planFor) : chosen;
    if (!plan) {
      throw new GmtlError(
        'ops/plan',
        `${program.name}: version '${version ?? 'default'}' cannot run on shapes ${describe(inputs)} on ${this.name}`,
      );
    }
    const seconds = slowSeconds(workOf(program, inputSpecs, outputSpecs, attributes));
    const prepared: PreparedPlan = {
      scratch: plan.scratch ?? [],
      dispatches: plan.dispatches.map((dispatch, index) => ({
        prepared: this.gpu.prepare(dispatch, `${dispatch.kernel.name} ${describe(inputs)}`, index === 0 ? seconds : 0),
        buffers: dispatch.kernel.bindings.map((binding) => {
          const reference = dispatch.buffers[binding.name];
          if (!reference)
            throw new GmtlError(
              'ops/plan',
              `${program.name}: kernel ${dispatch.kernel.name} lacks buffer ${binding.name}`,
            );
          const specs = reference.startsWith('in') ? inputSpecs : reference.startsWith('out') ? outputSpecs : [];
          const spec = specs.at(Number(reference.replace(/\D+/, '')));
          const problem = spec && bindingProblem(spec.dtype, binding, dispatch);
          if (problem) throw new GmtlError('ops/plan', `${program.name}: ${reference} ${problem}`);
          return reference;
        }),
      })),
    };
    // Attributes that differ at every call (a factor worked out on the host) would fill the memory of a long run.
    if (this.#plans.size >= MAX_CACHED_PLANS) this.#plans.clear();
    this.#plans.set(key, prepared);
    return prepared;
  }

  /** The plan, or that of the fastest version whose scratch buffers this device can hold, where it cannot hold this one's and can another's. */
  #within(plan: Plan, versions: readonly string[], planFor: (version: string) => Plan | null): Plan {
    const limit = this.gpu.largestBuffer;
    const fits = ({ scratch = [] }: Plan): boolean => scratch.every((bytes) => bytes <= limit);
    if (fits(plan)) return plan;
    for (const version of versions.toReversed()) {
      const other = planFor(version);
      if (other && fits(other)) return other;
    }
    return plan;
  }

  #bound(value: Value): BoundBuffer {
    const { storage } = value;
    if (storage.freed || storage.handle.kind !== 'gpu') {
      throw new GmtlError(
        'tensor/freed',
        `a tensor of shape ${formatShape(value.spec.shape)} was used after its memory was freed`,
      );
    }
    return storage.handle.bound;
  }

  flush(): void {
    this.gpu.flush();
  }

  synchronize(): Promise<void> {
    return this.gpu.synchronize();
  }

  statistics(): BackendStatistics {
    return this.gpu.statistics();
  }

  destroy(): void {
    this.gpu.destroy();
  }
}
