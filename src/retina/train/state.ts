/** What a checkpoint holds beside the weights: averages, optimizer moments, the weighting, packed and restored. */
import type { MultitaskNet } from '../network/network.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import type { EMA } from '../../engine/optim/ema.ts';
import type { Optimizer } from '../../engine/optim/optimizer.ts';
import { floats, type Mutable, restoreWeights } from '../network/weights.ts';
import type { Weighting } from './weighting/weighting.ts';

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

/** Before the name of a parameter that had no gradient in some steps: in how many. */
const MISSED_STEPS = 'steps missed ';

/** Optimizer moments, flat, in the engine's element order, and the steps that parameters sat out where there are any. */
export async function packOptimizer(optimizer: Optimizer): Promise<StoredTensors> {
  const { tensors, missed } = await optimizer.stateDict();
  const packed: Mutable = new Map();
  for (const [name, data] of tensors) packed.set(name, { dtype: 'F32', shape: [data.length], data });
  for (const [name, count] of missed ?? [])
    packed.set(`${MISSED_STEPS}${name}`, { dtype: 'F32', shape: [], data: Float32Array.of(count) });
  return packed;
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

/** Under what names the learnt weighting's tensors are saved among the optimizer's. */
export const WEIGHTING_PREFIX = 'weighting.';

const WEIGHTING_STATE = 'weighting state ';

/** The task weighting's parameters and buffers, to be saved beside the optimizer's moments. */
export async function packWeighting(weighting: Weighting): Promise<StoredTensors> {
  const packed: Mutable = new Map();
  for (const [name, { shape, data }] of await weighting.stateDict())
    packed.set(`${WEIGHTING_STATE}${name}`, { dtype: 'F32', shape, data });
  return packed;
}

/** Writes what {@link packWeighting} packed. */
export function restoreWeighting(weighting: Weighting, state: StoredTensors, file: string): void {
  const stored = new Map(
    [...state].flatMap(([name, tensor]) =>
      name.startsWith(WEIGHTING_STATE) ? [[name.slice(WEIGHTING_STATE.length), tensor] as const] : [],
    ),
  );
  restoreWeights(weighting, stored, file);
}

/** Writes an optimizer's moments as {@link packOptimizer} packed them. @throws GmtlError `optim/state` where they do not fit. */
export function restoreOptimizer(optimizer: Optimizer, state: StoredTensors, step: number): void {
  const missed = new Map<string, number>();
  const tensors = new Map<string, Float32Array>();
  for (const [name, { data }] of floats(state)) {
    if (name.startsWith(MISSED_STEPS)) missed.set(name.slice(MISSED_STEPS.length), data[0]);
    else if (!name.startsWith(WEIGHTING_STATE)) tensors.set(name, data);
  }
  optimizer.loadStateDict({ step, tensors, missed });
}
