/** The CORN loss and their gradients in float64. */
import { stateOf } from '../crossEntropy/reference.ts';
import type { NdArray } from '../definition.ts';
import type { CornAttributes } from './attributes.ts';

/** log(1 + exp(-z)) without overflow. */
const softplusOfMinus = (z: number): number => Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** Tasks that a row takes part in. */
function tasksOf(label: number, tasks: number): number {
  return label < 0 || label > tasks ? 0 : Math.min(label + 1, tasks);
}

/** [loss, factor], from (logits, labels). */
export function referenceCorn([logits, labels]: readonly NdArray[], { reduction }: CornAttributes): Float64Array[] {
  const tasks = logits.shape[logits.shape.length - 1];
  let sum = 0;
  let weight = 0;
  const rows = labels.data.map((label, row) => {
    if (stateOf(label, tasks + 1, -1) === 'wrong') {
      sum = Number.NaN;
      weight++;
      return Number.NaN;
    }
    const count = tasksOf(label, tasks);
    let own = 0;
    for (let k = 0; k < count; k++) own += softplusOfMinus((label > k ? 1 : -1) * logits.data[row * tasks + k]);
    sum += own;
    weight += count;
    return count > 0 ? own / count : 0;
  });
  if (reduction === 'none') return [rows, Float64Array.of(1)];
  const factor = reduction === 'sum' ? 1 : weight > 0 ? 1 / weight : 0;
  return [Float64Array.of(sum * factor), Float64Array.of(factor)];
}

/** The gradient of the logits, from (gradOutput, logits, labels, factor). */
export function referenceCornBackward(
  [gradOutput, logits, labels, factor]: readonly NdArray[],
  { reduction }: CornAttributes,
): Float64Array {
  const tasks = logits.shape[logits.shape.length - 1];
  return logits.data.map((z, i) => {
    const row = Math.floor(i / tasks);
    const k = i % tasks;
    if (stateOf(labels.data[row], tasks + 1, -1) === 'wrong') return Number.NaN;
    const count = tasksOf(labels.data[row], tasks);
    if (k >= count) return 0;
    const incoming = reduction === 'none' ? gradOutput.data[row] / count : gradOutput.data[0];
    return incoming * factor.data[0] * (sigmoid(z) - (labels.data[row] > k ? 1 : 0));
  });
}
