import type { MultitaskNet } from '../models/network.ts';
import type { Module } from '../nn/module.ts';
import type { StoredTensor, StoredTensors } from '../io/safetensors.ts';
import type { EMA } from '../optim/ema.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { GmtlError } from '../errors.ts';
import type { Weighting } from './weighting/weighting.ts';

type Mutable = Map<string, { dtype: 'F32'; shape: readonly number[]; data: Float32Array }>;

/** Files of other programs hold halves, bytes and (`num_batches_tracked`) 64-bit integers too. */
function toFloat32(data: StoredTensor['data']): Float32Array {
  if (data instanceof Float32Array) return data;
  return data instanceof BigInt64Array ? Float32Array.from(Array.from(data, Number)) : Float32Array.from(data);
}

function floats(tensors: StoredTensors): Map<string, { shape: readonly number[]; data: Float32Array }> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: toFloat32(data) }]));
}

/** The model's parameters and buffers for a file. */
export async function packWeights(model: MultitaskNet): Promise<StoredTensors> {
  const packed: Mutable = new Map();
  for (const [name, { shape, data }] of await model.stateDict()) packed.set(name, { dtype: 'F32', shape, data });
  return packed;
}

/** Averaged weights under the model's names, in PyTorch's layouts. */
export async function packAverages(model: MultitaskNet, ema: EMA): Promise<StoredTensors> {
  const { tensors } = await ema.stateDict();
  const packed: Mutable = new Map();
  for (const [name, parameter] of model.namedTensors()) {
    const data = tensors.get(name);
    if (data) packed.set(name, { dtype: 'F32', ...parameter.toExternal(data) });
  }
  return packed;
}

/** Optimiser moments, flat, in the engine's element order. */
export async function packOptimizer(optimizer: Optimizer): Promise<StoredTensors> {
  const { tensors } = await optimizer.stateDict();
  const packed: Mutable = new Map();
  for (const [name, data] of tensors) packed.set(name, { dtype: 'F32', shape: [data.length], data });
  return packed;
}

/** Writes weights into the model; all names and shapes must fit. `file` is for the message. */
export function restoreWeights(model: Module, weights: StoredTensors, file: string): void {
  try {
    model.loadStateDict(floats(weights));
  } catch (cause) {
    if (cause instanceof GmtlError) throw new GmtlError(cause.code, `${file}: ${cause.message}`, { cause });
    throw cause;
  }
}

/** Writes averages under the model's names into `ema`, which has done `step` updates. @throws GmtlError `optim/state` where they do not fit. */
export function restoreAverages(model: MultitaskNet, ema: EMA, averages: StoredTensors, step: number): void {
  const stored = floats(averages);
  const tensors = new Map<string, Float32Array>();
  for (const [name, parameter] of model.namedTensors()) {
    const tensor = stored.get(name);
    if (tensor) tensors.set(name, parameter.fromExternal(tensor.data));
  }
  ema.loadStateDict({ step, tensors });
}

/** Under what names the learnt weighting's tensors are saved among the optimiser's. */
export const WEIGHTING_PREFIX = 'weighting.';

const WEIGHTING_STATE = 'weighting state ';

/** The task weighting's parameters and buffers, to be saved beside the optimiser's moments. */
export async function packWeighting(weighting: Weighting): Promise<StoredTensors> {
  const packed: Mutable = new Map();
  for (const [name, { shape, data }] of await weighting.stateDict())
    packed.set(`${WEIGHTING_STATE}${name}`, { dtype: 'F32', shape, data });
  return packed;
}

/** Writes what {@link packWeighting} packed. */
export function restoreWeighting(weighting: Weighting, state: StoredTensors, file: string): void {
  const own = new Map(
    [...state].flatMap(([name, tensor]) =>
      name.startsWith(WEIGHTING_STATE) ? [[name.slice(WEIGHTING_STATE.length), tensor] as const] : [],
    ),
  );
  restoreWeights(weighting, own, file);
}

/** Writes an optimiser's moments as {@link packOptimizer} packed them. @throws GmtlError `optim/state` where they do not fit. */
export function restoreOptimizer(optimizer: Optimizer, state: StoredTensors, step: number): void {
  const own = [...floats(state)].filter(([name]) => !name.startsWith(WEIGHTING_STATE));
  const tensors = new Map(own.map(([name, { data }]) => [name, data]));
  optimizer.loadStateDict({ step, tensors });
}
