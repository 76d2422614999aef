import type { NdArray } from '../definition.ts';
import type { BceAttributes } from './program.ts';

/** log(1 + exp(-z)) without overflow. */
function softplusOfMinus(z: number): number {
  return Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
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
  let sum = 0;
  let weight = 0;
  logits.data.forEach((z, i) => {
    const t = targets.data[i];
    const own = weights.sample(i);
    sum += own * ((1 - t) * z + (1 + (weights.positive(i) - 1) * t) * softplusOfMinus(z));
    weight += own;
  });
  const factor = attributes.reduction === 'sum' ? 1 : weight > 0 ? 1 / weight : 0;
  return [Float64Array.of(sum * factor), Float64Array.of(factor)];
}

/** The gradient of the logits, from (gradOutput, logits, targets, factor, posWeight?, sampleWeights?). */
export function referenceBceBackward(
  [gradOutput, logits, targets, factor, ...optionals]: readonly NdArray[],
  attributes: BceAttributes,
): Float64Array {
  const weights = weightsOf(logits, optionals, attributes);
  return logits.data.map((z, i) => {
    const t = targets.data[i];
    const slope = 1 - t - (1 + (weights.positive(i) - 1) * t) / (1 + Math.exp(z));
    return gradOutput.data[0] * factor.data[0] * weights.sample(i) * slope;
  });
}
