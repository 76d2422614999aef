/** The steps of optimizers and the programs beside them in float64. */
import type { NdArray } from '../definition.ts';
import {
  type AdamwAttributes,
  type AveragesAttributes,
  type AxpyAttributes,
  CLIP_EPSILON,
  type ClipGuardAttributes,
  type DotsAttributes,
  type DotTotalsAttributes,
  LARGEST_LOSS_SCALE,
  type RmspropAttributes,
  type SgdAttributes,
  type SquaresAttributes,
  type StepAttributes,
  type StepSlot,
  type SwapAttributes,
} from './attributes.ts';
import { momentGroups, slotsFor } from './layout.ts';

/** average += weight * (x - average) for each tensor, the weight the first float of the state. */
export function referenceAverages([state, ...tensors]: readonly NdArray[], { first }: AveragesAttributes): void {
  tensors.forEach(({ data }, k) => {
    for (let i = 0; i < data.length; i++) {
      const at = 4 * first[k] + i;
      state.data[at] += state.data[0] * (data[i] - state.data[at]);
    }
  });
}

/** average += hyper[0] * (x - average). */
export function referenceEma([average, x, hyper]: readonly NdArray[]): void {
  for (let i = 0; i < average.data.length; i++) average.data[i] += hyper.data[0] * (x.data[i] - average.data[i]);
}

/** Exchanges x and as many elements of the state. */
export function referenceSwap([x, state]: readonly NdArray[], { first }: SwapAttributes): void {
  const kept = x.data.slice();
  x.data.set(state.data.subarray(4 * first, 4 * first + kept.length));
  state.data.set(kept, 4 * first);
}

/** x *= guard[0], unless guard[2] is set. */
export function referenceGuardedScale([x, guard]: readonly NdArray[]): void {
  if (guard.data[2] === 0) for (let i = 0; i < x.data.length; i++) x.data[i] *= guard.data[0];
}

/** Sums of squares and counts of non-finite elements, into the slots of each tensor. */
export function referenceSquares([slots, ...xs]: readonly NdArray[], { tensors }: SquaresAttributes): void {
  xs.forEach(({ data }, k) => {
    const { first, weight = 1 } = tensors[k];
    const count = slotsFor(data.length);
    slots.data.fill(0, 2 * first, 2 * (first + count));
    for (let i = 0; i < data.length; i++) {
      const slot = first + (Math.floor(i / 4) % count);
      if (Number.isFinite(data[i])) slots.data[2 * slot] += (weight * data[i]) ** 2;
      else slots.data[2 * slot + 1] += 1;
    }
  });
}

/** The guard and the loss scale from the slots. */
/** Sums of squares above it overflow on the device. */
const LARGEST_FLOAT = 3.4028234663852886e38;

export function referenceClipGate(
  [slots, guard, lossScale]: readonly NdArray[],
  { count, maxNorm, sticky = false, growthInterval = 0 }: ClipGuardAttributes,
): void {
  let sum = 0;
  let bad = 0;
  for (let slot = 0; slot < count; slot++) {
    sum += slots.data[2 * slot];
    bad += slots.data[2 * slot + 1];
  }
  if (bad > 0 || !(sum <= LARGEST_FLOAT) || (sticky && guard.data[2] > 0)) {
    const tooLarge = bad === 0 && sum > LARGEST_FLOAT;
    guard.data.set([0, tooLarge ? Number.POSITIVE_INFINITY : 0, tooLarge ? 2 : 1, guard.data[3] + 1]);
    if (growthInterval > 0) lossScale.data.set([lossScale.data[0] / 2, 0, lossScale.data[2] + 1]);
  } else {
    const [scale, steps] = lossScale.data;
    const norm = Math.sqrt(sum) / scale;
    const clipped = maxNorm > 0 ? Math.min(1, maxNorm / (norm + CLIP_EPSILON)) : 1;
    guard.data.set([clipped / scale, norm, 0, guard.data[3]]);
    if (growthInterval > 0) {
      const grows = steps + 1 >= growthInterval;
      lossScale.data.set([grows ? Math.min(2 * scale, LARGEST_LOSS_SCALE) : scale, grows ? 0 : steps + 1, 0]);
    }
  }
}

/** Sums of a b, a² and b² into the slots of the pair. */
export function referenceDotSlots([a, b, slots]: readonly NdArray[], { first }: DotsAttributes): void {
  const count = slotsFor(a.data.length);
  slots.data.fill(0, 4 * first, 4 * (first + count));
  for (let i = 0; i < a.data.length; i++) {
    const at = 4 * (first + (Math.floor(i / 4) % count));
    slots.data[at] += a.data[i] * b.data[i];
    slots.data[at + 1] += a.data[i] ** 2;
    slots.data[at + 2] += b.data[i] ** 2;
  }
}

/** y += scale * alpha[index] * x. */
export function referenceAxpy([y, x, alpha]: readonly NdArray[], { index = 0, scale = 1 }: AxpyAttributes): void {
  const factor = scale * alpha.data[index];
  for (let i = 0; i < y.data.length; i++) y.data[i] += factor * x.data[i];
}

/** [a·b, a·a, b·b], summed over a range of slots. */
export function referenceDotTotals(slots: NdArray, { first = 0, count }: DotTotalsAttributes): Float64Array {
  const totals = new Float64Array(3);
  for (let slot = first; slot < first + count; slot++)
    for (let k = 0; k < 3; k++) totals[k] += slots.data[4 * slot + k];
  return totals;
}

/** The sum of a b. */
export function referenceDot(a: NdArray, b: NdArray): number {
  let sum = 0;
  a.data.forEach((value, i) => {
    sum += value * b.data[i];
  });
  return sum;
}

/** One parameter's step in place; its moments are subarrays of the state. */
export type UpdateReference<A extends StepAttributes> = (
  parameter: Float64Array,
  grad: (i: number) => number,
  moments: readonly Float64Array[],
  hyper: Float64Array,
  slot: StepSlot,
  attributes: A,
) => void;

/** Updates each parameter with its scaled gradient, unless the guard is shut. */
export function referenceStep<A extends StepAttributes>(
  inputs: readonly NdArray[],
  attributes: A,
  moments: number,
  update: UpdateReference<A>,
): void {
  const [state, guard] = inputs.map(({ data }) => data);
  const [gradScale, , nonFinite] = guard;
  if (nonFinite !== 0) return;
  attributes.slots.forEach((slot, k) => {
    const parameter = inputs[2 + 2 * k].data;
    const grad = inputs[3 + 2 * k].data;
    const own = Array.from({ length: moments }, (_, moment) => {
      const from = 4 * (slot.first + moment * momentGroups(parameter.length));
      return state.subarray(from, from + parameter.length);
    });
    update(
      parameter,
      (i) => gradScale * grad[i],
      own,
      state.subarray(4 * slot.head, 4 * slot.head + 4),
      slot,
      attributes,
    );
  });
}

/** AdamW (Loshchilov and Hutter 2019, algorithm 2). */
export const updateAdamw: UpdateReference<AdamwAttributes> = (
  parameter,
  grad,
  [m, v],
  hyper,
  { lrScale, weightDecay },
  { beta1, beta2, eps },
) => {
  const lr = hyper[0] * lrScale;
  const [, inverseBias1, inverseRootBias2] = hyper;
  for (let i = 0; i < parameter.length; i++) {
    const g = grad(i);
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    const denominator = Math.sqrt(v[i]) * inverseRootBias2 + eps;
    parameter[i] = parameter[i] * (1 - lr * weightDecay) - (lr * inverseBias1 * m[i]) / denominator;
  }
};

/** RMSprop, as torch.optim.RMSprop without centering. */
export const updateRmsprop: UpdateReference<RmspropAttributes> = (
  parameter,
  grad,
  [square, velocity],
  hyper,
  { lrScale, weightDecay },
  { alpha, eps, momentum },
) => {
  for (let i = 0; i < parameter.length; i++) {
    const g = grad(i) + weightDecay * parameter[i];
    square[i] = alpha * square[i] + (1 - alpha) * g * g;
    velocity[i] = momentum * velocity[i] + g / (Math.sqrt(square[i]) + eps);
    parameter[i] -= hyper[0] * lrScale * velocity[i];
  }
};

/** SGD with momentum, as torch.optim.SGD with dampening 0. */
export const updateSgd: UpdateReference<SgdAttributes> = (
  parameter,
  grad,
  [velocity],
  hyper,
  { lrScale, weightDecay },
  { momentum, nesterov },
) => {
  for (let i = 0; i < parameter.length; i++) {
    const g = grad(i) + weightDecay * parameter[i];
    velocity[i] = momentum * velocity[i] + g;
    parameter[i] -= hyper[0] * lrScale * (nesterov ? g + momentum * velocity[i] : velocity[i]);
  }
};
