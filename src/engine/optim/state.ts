/** State of optimizers on the device and in checkpoints. */
import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import { formatShape, type Shape, sizeOf } from '../tensor/spec.ts';

export type NamedTensors = Map<string, Float32Array>;

/** Everything an optimizer needs to continue. Tensors are in the engine's layout, named `<parameter>.<moment>`. */
export interface OptimizerState {
  /** Steps done. */
  readonly step: number;
  readonly tensors: NamedTensors;
  /** How many of those steps a parameter sat out for want of a gradient, by its name; those that sat out none are left out. */
  readonly missed?: ReadonlyMap<string, number>;
}

/** @throws GmtlError `optim/state` for what `stateDict` did not give. */
export function checkState(owner: string, state: OptimizerState): void {
  if (!(state?.tensors instanceof Map) || !Number.isInteger(state.step) || state.step < 0) {
    throw new GmtlError(
      'optim/state',
      `${owner} cannot go on from ${show(state)}: it takes { step, tensors } as stateDict() gives them, with the count of steps done`,
    );
  }
}

/** A float32 tensor that outlives scopes and captures. */
export function stateTensor(engine: Engine, shape: Shape, data: Float32Array | Float64Array, name: string): Tensor {
  return engine.tensor(data, shape, { name, dtype: 'f32' }).keep();
}

/** Throws `optim/state` unless `state` has just the names of `expected`, each with as many numbers as its shape. */
export function requireState(
  what: string,
  expected: ReadonlyMap<string, Shape>,
  state: ReadonlyMap<string, Float32Array>,
): void {
  const unknown = [...state.keys()].find((name) => !expected.has(name));
  if (unknown !== undefined) {
    throw new GmtlError(
      'optim/state',
      `${what}: the state holds '${unknown}', which this model has not; it is of another model`,
    );
  }
  for (const [name, shape] of expected) {
    const data = state.get(name);
    if (!data)
      throw new GmtlError('optim/state', `${what}: the state lacks '${name}'; it is of another model or optimizer`);
    if (!(Array.isArray(data) || (ArrayBuffer.isView(data) && 'length' in data)))
      throw new GmtlError('optim/state', `${what}: '${name}' is ${show(data)}; it is a Float32Array`);
    if (data.length !== sizeOf(shape)) {
      throw new GmtlError(
        'optim/state',
        `${what}: '${name}' has ${data.length} numbers in the state, ${formatShape(shape)} here`,
      );
    }
  }
}
