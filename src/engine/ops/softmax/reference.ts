/** Softmax, its logarithm and their gradient in float64. */
import type { NdArray } from '../definition.ts';
import type { SoftmaxName } from './attributes.ts';

/** Log softmax of every row of the last axis. */
export function referenceLogSoftmax(x: NdArray): Float64Array {
  const columns = x.shape[x.shape.length - 1];
  const out = new Float64Array(x.data.length);
  for (let first = 0; first < out.length; first += columns) {
    const row = x.data.subarray(first, first + columns);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const logSum = Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
    row.forEach((value, c) => {
      out[first + c] = value - largest - logSum;
    });
  }
  return out;
}

/** Softmax of every row of the last axis, or its logarithm. */
export function referenceSoftmax(name: SoftmaxName, x: NdArray): Float64Array {
  const log = referenceLogSoftmax(x);
  return name === 'logSoftmax' ? log : log.map(Math.exp);
}

/** Gradient of the input from the output y, row by row: y (g - sum g y) for softmax, g - exp(y) sum g for its logarithm. */
export function referenceSoftmaxBackward(name: SoftmaxName, gradOutput: NdArray, y: NdArray): Float64Array {
  const columns = y.shape[y.shape.length - 1];
  return y.data.map((value, i) => {
    const first = i - (i % columns);
    let sum = 0;
    for (let k = first; k < first + columns; k++) sum += gradOutput.data[k] * (name === 'softmax' ? y.data[k] : 1);
    return name === 'softmax' ? value * (gradOutput.data[i] - sum) : gradOutput.data[i] - Math.exp(value) * sum;
  });
}
