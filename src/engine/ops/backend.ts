/** What executes programs: the interface of all backends. */
import { requireElements } from '../tensor/shape.ts';
import { GmtlError } from '../errors.ts';
import { formatShape, type TensorSpec, type TypedArray } from '../tensor/spec.ts';
import { mutated, type Program } from './definition.ts';
import type { Value } from './value.ts';

export interface BackendStatistics {
  readonly liveBytes: number;
  readonly liveBuffers: number;
  readonly peakLiveBytes: number;
  readonly allocatedBytes: number;
}

/**
 * Executes programs: on a GPU (GpuBackend), in float64 on the CPU (ReferenceBackend), or not at all (DryBackend: shapes only).
 * The autograd engine runs on any of them.
 */
export interface Backend {
  /** What runs: shown to people. */
  readonly name: string;
  /** True: values have no elements, so data for them need not be made. */
  readonly dry?: boolean;
  /** Memory of undefined content, with one reference held by the caller. */
  allocate(spec: TensorSpec, what: string): Value;
  /** Memory holding `data` (row-major). */
  upload(spec: TensorSpec, data: TypedArray | readonly number[] | Float64Array, what: string): Value;
  /** Overwrites a value's elements from the host. */
  write(value: Value, data: TypedArray | Float64Array): void;
  /** The elements, after everything executed so far. Float64Array from the reference backend, typed by dtype from the GPU. */
  download(value: Value): Promise<TypedArray | Float64Array>;
  /** Records one execution. `outputs` are already allocated. */
  execute<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
    version?: string,
  ): void;
  /** Hands what was recorded to the device, where there is one. */
  flush?(): void;
  /** Waits for everything; throws what went wrong. */
  synchronize(): Promise<void>;
  /** Memory held, in bytes. */
  statistics(): BackendStatistics;
  /** Frees everything; nothing can be run afterwards. */
  destroy(): void;
}

/** Throws `ops/alias` where an input that the program changes in place is in the memory of another one: a GPU refuses that. */
function requireOwnMemory(program: string, inputs: readonly Value[], index: number): void {
  const other = inputs.findIndex((input, at) => at !== index && input.storage === inputs[index].storage);
  if (other < 0) return;
  const shape = formatShape(inputs[index].spec.shape);
  throw new GmtlError(
    'ops/alias',
    `${program}: inputs ${index} and ${other} of shape ${shape} share memory, and input ${index} is changed in place: give one of them memory of its own (mul(1))`,
  );
}

/** Infers, allocates and executes: how everything above runs a program. */
export function runProgram<A extends object>(
  backend: Backend,
  program: Program<A>,
  inputs: readonly Value[],
  attributes: A,
  version?: string,
): Value[] {
  const specs = program.infer(
    inputs.map((input) => input.spec),
    attributes,
  );
  for (const { shape } of specs) requireElements(program.name, shape);
  const changed = mutated(program, inputs);
  for (const index of changed) requireOwnMemory(program.name, inputs, index);
  const outputs = specs.map((spec) => backend.allocate(spec, program.name));
  try {
    backend.execute(program, inputs, outputs, attributes, version);
    if (program.mutatesWith?.(attributes) ?? true) for (const index of changed) inputs[index].storage.changed();
  } catch (error) {
    for (const output of outputs) output.storage.release();
    throw error;
  }
  return outputs;
}
