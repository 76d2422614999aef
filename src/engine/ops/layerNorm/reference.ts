/** Layer normalization and its gradient in float64. */
import type { NdArray } from '../definition.ts';

/** y, mean and rstd of every row. */
export function referenceLayerNorm(x: NdArray, weight: NdArray, bias: NdArray, eps: number): Float64Array[] {
  const columns = weight.data.length;
  const rows = x.data.length / columns;
  const y = new Float64Array(x.data.length);
  const mean = new Float64Array(rows);
  const rstd = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const first = row * columns;
    let sum = 0;
    for (let c = 0; c < columns; c++) sum += x.data[first + c];
    mean[row] = sum / columns;
    let squares = 0;
    for (let c = 0; c < columns; c++) squares += (x.data[first + c] - mean[row]) ** 2;
    rstd[row] = 1 / Math.sqrt(squares / columns + eps);
    for (let c = 0; c < columns; c++) {
      y[first + c] = (x.data[first + c] - mean[row]) * rstd[row] * weight.data[c] + bias.data[c];
    }
  }
  return [y, mean, rstd];
}

/** The gradient of x, from (gradY, x, weight, mean, rstd). */
export function referenceGradInput([gradY, x, weight, mean, rstd]: readonly NdArray[]): Float64Array {
  const columns = weight.data.length;
  const gradX = new Float64Array(x.data.length);
  mean.data.forEach((rowMean, row) => {
    const first = row * columns;
    const scale = rstd.data[row];
    let sum = 0;
    let product = 0;
    for (let c = 0; c < columns; c++) {
      const h = gradY.data[first + c] * weight.data[c];
      sum += h;
      product += h * (x.data[first + c] - rowMean) * scale;
    }
    for (let c = 0; c < columns; c++) {
      const h = gradY.data[first + c] * weight.data[c];
      const normal = (x.data[first + c] - rowMean) * scale;
      gradX[first + c] = scale * (h - sum / columns - (normal * product) / columns);
    }
  });
  return gradX;
}

/** The gradients of weight and bias, from (gradY, x, mean, rstd). */
export function referenceGradParameters([gradY, x, mean, rstd]: readonly NdArray[]): Float64Array[] {
  const columns = x.shape[x.shape.length - 1];
  const gradWeight = new Float64Array(columns);
  const gradBias = new Float64Array(columns);
  gradY.data.forEach((g, i) => {
    const row = Math.floor(i / columns);
    gradWeight[i % columns] += g * (x.data[i] - mean.data[row]) * rstd.data[row];
    gradBias[i % columns] += g;
  });
  return [gradWeight, gradBias];
}
