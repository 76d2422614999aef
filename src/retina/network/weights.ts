/** Converts a network's weights to and from the tensors of a file. */
import { GmtlError } from '../../engine/errors.ts';
import type { StoredTensor, StoredTensors } from '../../engine/io/safetensors.ts';
import type { Module } from '../../engine/nn/module.ts';
import type { MultitaskNet } from './network.ts';

/** Tensors being packed, by name. */
export type Mutable = Map<string, { dtype: 'F32'; shape: readonly number[]; data: Float32Array }>;

/** Values as float32: files of other programs also hold halves, bytes and (`num_batches_tracked`) 64-bit integers. */
function toFloat32(data: StoredTensor['data']): Float32Array {
  if (data instanceof Float32Array) return data;
  return data instanceof BigInt64Array ? Float32Array.from(Array.from(data, Number)) : Float32Array.from(data);
}

export function floats(tensors: StoredTensors): Map<string, { shape: readonly number[]; data: Float32Array }> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: toFloat32(data) }]));
}

/** The model's parameters and buffers for a file. */
export async function packWeights(model: MultitaskNet): Promise<StoredTensors> {
  const packed: Mutable = new Map();
  for (const [name, { shape, data }] of await model.stateDict()) packed.set(name, { dtype: 'F32', shape, data });
  return packed;
}

/**
 * Writes weights into the model; all names and shapes must fit, and all values be finite. `file` is for the message.
 *
 * @throws GmtlError `model/not-finite` naming the first tensor with a value that is NaN or infinite, and as `loadStateDict`.
 */
export function restoreWeights(model: Module, weights: StoredTensors, file: string): void {
  const values = floats(weights);
  for (const [name, { data }] of values) {
    const at = data.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) {
      throw new GmtlError(
        'model/not-finite',
        `${file}: the weight ${name} is ${data[at]} at element ${at}: what the network says would mean nothing. The file is damaged, or ` +
          'the training diverged: use another checkpoint.',
      );
    }
  }
  try {
    model.loadStateDict(values);
  } catch (cause) {
    if (cause instanceof GmtlError) throw new GmtlError(cause.code, `${file}: ${cause.message}`, { cause });
    throw cause;
  }
}

/** Shapes of a network's parameters and buffers in PyTorch's layouts, by name: what `describeTrunk` and `planInit` take. */
export function shapesOf(module: Module): ReadonlyMap<string, readonly number[]> {
  return new Map([...module.namedTensors()].map(([name, parameter]) => [name, parameter.externalShape]));
}
