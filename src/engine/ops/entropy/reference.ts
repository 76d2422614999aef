/** The entropy of softmax and its gradient in float64. */
import type { NdArray } from '../definition.ts';
import { referenceLogSoftmax } from '../softmax/reference.ts';

/** [loss, factor]. */
export function referenceEntropy(logits: NdArray, sampleWeights: NdArray | undefined): Float64Array[] {
  const columns = logits.shape[logits.shape.length - 1];
  let sum = 0;
  let weights = 0;
  referenceLogSoftmax(logits).forEach((logProbability, i) => {
    const weight = sampleWeights?.data[Math.floor(i / columns)] ?? 1;
    sum -= weight * Math.exp(logProbability) * logProbability;
    weights += weight / columns;
  });
  const factor = weights > 0 ? 1 / weights : 0;
  return [Float64Array.of(sum * factor), Float64Array.of(factor)];
}

/** The gradient of the logits, from (gradOutput, logits, factor, sampleWeights?). */
export function referenceEntropyBackward([
  gradOutput,
  logits,
  factor,
  sampleWeights,
]: readonly NdArray[]): Float64Array {
  const columns = logits.shape[logits.shape.length - 1];
  const logProbabilities = referenceLogSoftmax(logits);
  return logProbabilities.map((logProbability, i) => {
    const row = Math.floor(i / columns);
    let entropy = 0;
    for (let k = row * columns; k < (row + 1) * columns; k++)
      entropy -= Math.exp(logProbabilities[k]) * logProbabilities[k];
    const scale = gradOutput.data[0] * factor.data[0] * (sampleWeights?.data[row] ?? 1);
    return -scale * Math.exp(logProbability) * (logProbability + entropy);
  });
}
