/** Batch normalization and its gradients in float64. */
import type { NdArray } from '../definition.ts';
import type { BatchNormAttributes } from './attributes.ts';

/** [y, mean, rstd]; with `training` the running statistics are updated in place and the count of batches where one is given. */
export function referenceBatchNorm(
  [x, weight, bias, runningMean, runningVar, batches, residual]: readonly NdArray[],
  { eps = 1e-5, momentum = 0.1, training, activation = 'none' }: BatchNormAttributes,
): Float64Array[] {
  const columns = weight.data.length;
  const rows = x.data.length / columns;
  const mean = runningMean.data.slice();
  const variance = runningVar.data.slice();
  if (training) {
    if (batches) batches.data[0] += 1;
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
    const sum = (value - mean[c]) * rstd[c] * weight.data[c] + bias.data[c] + (residual ? residual.data[i] : 0);
    return activation === 'relu' && sum <= 0 ? 0 : sum;
  });
  return [y, mean, rstd];
}

/** [gradX, gradWeight, gradBias, gradResidual where it is wanted], from (gradY, x, weight, mean, rstd, y after a relu). */
export function referenceBatchNormBackward(
  [gradOutput, x, weight, mean, rstd, y]: readonly NdArray[],
  { training, residual = false }: { readonly training: boolean; readonly residual?: boolean },
): Float64Array[] {
  const gradY = { data: y ? gradOutput.data.map((g, i) => (y.data[i] <= 0 ? 0 * g : g)) : gradOutput.data };
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
  return [gradX, gradWeight, gradBias, ...(residual ? [gradY.data] : [])];
}
