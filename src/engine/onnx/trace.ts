/** Records the programs that a forward pass would run, without running them. */
import type { Engine } from '../autograd/engine.ts';
import { collectTensors } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError } from '../errors.ts';
import type { Backend, BackendStatistics } from '../ops/backend.ts';
import type { Program } from '../ops/definition.ts';
import { Storage, type Value } from '../ops/value.ts';
import type { DType, Shape, TensorSpec, TypedArray } from '../tensor/spec.ts';

/** One program of the forward pass. */
export interface Step {
  /** The program's name, `.inference` left out. */
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: object;
}

/** A forward pass at one set of sizes. */
export interface Trace {
  readonly inputs: readonly Value[];
  readonly steps: readonly Step[];
  readonly outputs: ReadonlyMap<string, Value>;
  /** What the forward pass itself put on the device: constants. */
  readonly uploads: ReadonlyMap<Storage, TypedArray>;
}

/** What a forward pass may return: a tensor, or tensors by name, of which those that are null are left out. */
export type ForwardResult = Tensor | { readonly [name: string]: Tensor | null };

/** Keeps a list of what is executed. Values have no elements, but those uploaded are kept. */
class TraceBackend implements Backend {
  readonly name = 'trace';
  readonly steps: Step[] = [];
  readonly uploads = new Map<Storage, TypedArray>();

  allocate(spec: TensorSpec): Value {
    return { spec, storage: new Storage({ kind: 'none' }, () => {}) };
  }

  upload(spec: TensorSpec, data: TypedArray | readonly number[] | Float64Array): Value {
    const value = this.allocate(spec);
    this.uploads.set(value.storage, typed(spec.dtype, data));
    return value;
  }

  write(): void {
    throw new GmtlError('onnx/forward', 'a forward pass that writes into a tensor from the host has no ONNX form');
  }

  async download(): Promise<Float64Array> {
    throw new GmtlError('onnx/forward', 'a forward pass that reads tensors back has no ONNX form');
  }

  execute<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
  ): void {
    this.steps.push({ name: program.name.replace(/\.inference$/, ''), inputs, outputs, attributes });
  }

  async synchronize(): Promise<void> {}

  statistics(): BackendStatistics {
    return { liveBytes: 0, liveBuffers: 0, peakLiveBytes: 0, allocatedBytes: 0 };
  }

  destroy(): void {}
}

function typed(dtype: DType, data: TypedArray | readonly number[] | Float64Array): TypedArray {
  if (dtype === 'u32') return Uint32Array.from(data);
  return dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data);
}

/**
 * Runs `forward` on inputs of the given specs, recording instead of executing.
 * @param single the name of the output where `forward` returns a bare tensor.
 */
export function trace(
  engine: Engine,
  specs: readonly TensorSpec[],
  forward: (...inputs: Tensor[]) => ForwardResult,
  single: string,
): Trace {
  const backend = new TraceBackend();
  return engine.onBackend(backend, () =>
    engine.noGrad(() => {
      const given = specs.map((spec) => engine.adopt(backend.allocate(spec)));
      const result = engine.scope(() => forward(...given));
      const named = collectTensors(result).has(result as Tensor)
        ? [[single, result as Tensor] as const]
        : Object.entries(result as { readonly [name: string]: Tensor | null });
      const outputs = new Map<string, Value>();
      for (const [name, tensor] of named) {
        if (tensor === null) continue;
        outputs.set(name, tensor.value);
        tensor.dispose();
      }
      if (outputs.size === 0) throw new GmtlError('onnx/forward', 'the forward pass returns no tensor');
      return { inputs: given.map((tensor) => tensor.value), steps: backend.steps, outputs, uploads: backend.uploads };
    }),
  );
}

/** Elements of a value that is not computed by the forward pass: a parameter, or a constant. */
export async function elementsOf(engine: Engine, value: Value, uploads: Trace['uploads']): Promise<TypedArray> {
  const uploaded = uploads.get(value.storage);
  if (uploaded) return uploaded;
  return typed(value.spec.dtype, await engine.backend.download(value));
}

/** Sizes at which one symbol is traced, by symbol. */
export type Samples = Readonly<Record<string, readonly [number, number]>>;

/** `shape` with its symbols replaced by their first or second sample. */
export function sampleShape(shape: readonly (number | string)[], samples: Samples, index: 0 | 1): Shape {
  return shape.map((extent) => {
    if (typeof extent === 'number') return extent;
    const sample = samples[extent];
    if (!sample) throw new GmtlError('onnx/dynamic', `axis "${extent}" has no sizes: give two to trace it at`);
    return sample[index];
  });
}
