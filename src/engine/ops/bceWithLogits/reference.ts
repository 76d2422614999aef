/** Binary cross entropy and its gradient in float64. */
import type { NdArray } from '../definition.ts';
import type { BceAttributes } from './attributes.ts';

/** log(1 + exp(-z)) without overflow. */
function softplusOfMinus(z: number): number {
  return Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** Cross entropy times the focal factor (common/focal.wgsl) of one element, and its derivative by the logit. */
function element(
  z: number,
  t: number,
  positive: number,
  { gamma = 0, alpha = null }: BceAttributes,
): { readonly loss: number; readonly slope: number } {
  const plain = (1 - t) * z + (1 + (positive - 1) * t) * softplusOfMinus(z);
  const slope = 1 - t - (1 + (positive - 1) * t) * sigmoid(-z);
  if (gamma === 0 && alpha === null) return { loss: plain, slope };
  const balance = alpha === null ? 1 : alpha * t + (1 - alpha) * (1 - t);
  const miss = t * sigmoid(-z) + (1 - t) * sigmoid(z);
  const factor = balance * miss ** gamma;
  const missSlope = (1 - 2 * t) * sigmoid(z) * sigmoid(-z);
  const fall = gamma === 0 || miss === 0 ? 0 : balance * gamma * miss ** (gamma - 1) * missSlope;
  return { loss: factor * plain, slope: factor * slope + fall * plain };
}

interface Weights {
  readonly positive: (element: number) => number;
  readonly sample: (element: number) => number;
}

function weightsOf(
  logits: NdArray,
  optionals: readonly NdArray[],
  { posWeight, sampleWeights }: BceAttributes,
): Weights {
  const channels = logits.shape[logits.shape.length - 1];
  const perSample = logits.data.length / logits.shape[0];
  const positive = posWeight ? optionals[0] : undefined;
  const sample = sampleWeights ? optionals[posWeight ? 1 : 0] : undefined;
  return {
    positive: (element) => positive?.data[element % channels] ?? 1,
    sample: (element) => sample?.data[Math.floor(element / perSample)] ?? 1,
  };
}

/** [loss, factor], from (logits, targets, posWeight?, sampleWeights?). */
export function referenceBce(
  [logits, targets, ...optionals]: readonly NdArray[],
  attributes: BceAttributes,
): Float64Array[] {
  const weights = weightsOf(logits, optionals, attributes);
  const perSample = logits.data.length / logits.shape[0];
  const losses = new Float64Array(logits.shape[0]);
  let weight = 0;
  logits.data.forEach((z, i) => {
    const t = targets.data[i];
    const own = weights.sample(i);
    losses[Math.floor(i / perSample)] += own * element(z, t, weights.positive(i), attributes).loss;
    weight += own;
  });
  if (attributes.reduction === 'sample')
    return [losses.map((loss) => loss / perSample), Float64Array.of(1 / perSample)];
  const sum = losses.reduce((a, b) => a + b, 0);
  const factor = attributes.reduction === 'sum' ? 1 : weight > 0 ? 1 / weight : 0;
  return [Float64Array.of(sum * factor), Float64Array.of(factor)];
}

/** The gradient of the logits, from (gradOutput, logits, targets, factor, posWeight?, sampleWeights?). */
export function referenceBceBackward(
  [gradOutput, logits, targets, factor, ...optionals]: readonly NdArray[],
  attributes: BceAttributes,
): Float64Array {
  const weights = weightsOf(logits, optionals, attributes);
  const perSample = logits.data.length / logits.shape[0];
  return logits.data.map((z, i) => {
    const t = targets.data[i];
    const { slope } = element(z, t, weights.positive(i), attributes);
    const incoming = gradOutput.data[attributes.reduction === 'sample' ? Math.floor(i / perSample) : 0];
    return incoming * factor.data[0] * weights.sample(i) * slope;
  });
}
