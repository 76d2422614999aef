/** Cross entropy and its gradient in float64. */
import type { NdArray } from '../definition.ts';
import { referenceLogSoftmax } from '../softmax/reference.ts';
import type { CrossEntropyAttributes } from './attributes.ts';

/** What a row's label says: see shaders/common/labels.wgsl. */
export function stateOf(label: number, classes: number, ignoreIndex: number): 'ignored' | 'counts' | 'wrong' {
  if (label === ignoreIndex || (label < 0 && label !== -(2 ** 31))) return 'ignored';
  return label >= 0 && label < classes ? 'counts' : 'wrong';
}

/** [loss, factor, stats], as torch.nn.functional.cross_entropy; see op.ts for what differs. */
export function referenceCrossEntropy(
  [logits, labels, classWeights]: readonly NdArray[],
  { labelSmoothing = 0, ignoreIndex = -1, reduction = 'mean' }: CrossEntropyAttributes,
): Float64Array[] {
  const columns = logits.shape[logits.shape.length - 1];
  const logProbabilities = referenceLogSoftmax(logits);
  const weightOf = (column: number): number => classWeights?.data[column] ?? 1;
  let weights = 0;
  const losses = labels.data.map((label, row) => {
    const state = stateOf(label, columns, ignoreIndex);
    if (state === 'ignored') return 0;
    if (state === 'wrong') {
      weights++;
      return Number.NaN;
    }
    weights += weightOf(label);
    let spread = 0;
    for (let c = 0; c < columns; c++) spread -= weightOf(c) * logProbabilities[row * columns + c];
    const own = -weightOf(label) * logProbabilities[row * columns + label];
    return labelSmoothing > 0 ? (1 - labelSmoothing) * own + (labelSmoothing / columns) * spread : own;
  });
  const stats = new Float64Array(2 * labels.data.length);
  for (let row = 0; row < labels.data.length; row++) {
    const own = logits.data.subarray(row * columns, (row + 1) * columns);
    const largest = own.reduce((a, b) => (b > a ? b : a), Number.NEGATIVE_INFINITY);
    stats[2 * row] = largest;
    stats[2 * row + 1] = Math.log(own.reduce((sum, x) => sum + Math.exp(x - largest), 0));
  }
  if (reduction === 'none') return [losses, Float64Array.of(1), stats];
  const factor = reduction === 'sum' ? 1 : weights > 0 ? 1 / weights : 0;
  return [Float64Array.of(factor * losses.reduce((a, b) => a + b, 0)), Float64Array.of(factor), stats];
}

/** The gradient of the logits, from (gradOutput, logits, labels, factor, stats, classWeights?). */
export function referenceCrossEntropyBackward(
  [gradOutput, logits, labels, factor, , classWeights]: readonly NdArray[],
  { labelSmoothing = 0, ignoreIndex = -1, reduction = 'mean' }: CrossEntropyAttributes,
): Float64Array {
  const columns = logits.shape[logits.shape.length - 1];
  const weightOf = (column: number): number => classWeights?.data[column] ?? 1;
  let allWeights = 0;
  for (let c = 0; c < columns; c++) allWeights += weightOf(c);
  return referenceLogSoftmax(logits).map((logProbability, i) => {
    const row = Math.floor(i / columns);
    const column = i % columns;
    const label = labels.data[row];
    const state = stateOf(label, columns, ignoreIndex);
    if (state !== 'counts') return state === 'wrong' ? Number.NaN : 0;
    const p = Math.exp(logProbability);
    const own = weightOf(label) * (p - (column === label ? 1 : 0));
    const spread = p * allWeights - weightOf(column);
    const scale = gradOutput.data[reduction === 'none' ? row : 0] * factor.data[0];
    return scale * ((1 - labelSmoothing) * own + (labelSmoothing / columns) * spread);
  });
}
