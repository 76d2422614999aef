/** Batch normalization and its gradients in float64. */
import type { NdArray } from '../definition.ts';
import type { BatchNormAttributes } from './attributes.ts';

/** [y, mean, rstd]; with `training` the running statistics are updated in place. */
export function referenceBatchNorm(
  [x, weight, bias, runningMean, runningVar]: readonly NdArray[],
  { eps = 1e-5, momentum = 0.1, training }: BatchNormAttributes,
): Float64Array[] {
  const columns = weight.data.length;
  const rows = x.data.length / columns;
  const mean = runningMean.data.slice();
  const variance = runningVar.data.slice();
  if (training) {
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += x.data[row * columns + c];
      mean[c] = sum / rows;
      let squares = 0;
      for (let row = 0; row < rows; row++) squares += (x.data[row * columns + c] - mean[c]) ** 2;
      variance[c] = squares / rows;
      runningMean.data[c] = (1 - momentum) * runningMean.data[c] + momentum * mean[c];
      runningVar.data[c] = (1 - momentum) * runningVar.data[c] + (momentum * squares) / (rows - 1);
    }
  }
  const rstd = variance.map((value) => 1 / Math.sqrt(value + eps));
  const y = x.data.map((value, i) => {
    const c = i % columns;
    return (value - mean[c]) * rstd[c] * weight.data[c] + bias.data[c];
  });
  return [y, mean, rstd];
}

/** [gradX, gradWeight, gradBias], from (gradY, x, weight, mean, rstd). */
export function referenceBatchNormBackward(
  [gradY, x, weight, mean, rstd]: readonly NdArray[],
  training: boolean,
): Float64Array[] {
  const columns = weight.data.length;
  const rows = x.data.length / columns;
  const gradWeight = new Float64Array(columns);
  const gradBias = new Float64Array(columns);
  const normal = x.data.map((value, i) => (value - mean.data[i % columns]) * rstd.data[i % columns]);
  gradY.data.forEach((g, i) => {
    gradWeight[i % columns] += g * normal[i];
    gradBias[i % columns] += g;
  });
  const gradX = gradY.data.map((g, i) => {
    const c = i % columns;
    const through = training ? (gradBias[c] + normal[i] * gradWeight[c]) / rows : 0;
    return weight.data[c] * rstd.data[c] * (g - through);
  });
  return [gradX, gradWeight, gradBias];
}
