/** Matrix products and the gradients of a linear layer in float64. */
import { sizeOf } from '../../tensor/spec.ts';
import type { NdArray } from '../definition.ts';
import { unaryFunction } from '../unary/reference.ts';
import type { MatmulAttributes } from './attributes.ts';
import { matmulGeometry } from './geometry.ts';

/** [out, the sums that go into the activation]. */
export function referenceMatmul([a, b, bias]: readonly NdArray[], attributes: MatmulAttributes): Float64Array[] {
  const { batch, m, n, k, aBatched, bBatched, transposeA, transposeB, outShape } = matmulGeometry(
    a.shape,
    b.shape,
    attributes,
  );
  const sums = new Float64Array(sizeOf(outShape));
  for (let z = 0; z < batch; z++) {
    const offsetA = aBatched ? z * m * k : 0;
    const offsetB = bBatched ? z * n * k : 0;
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = bias ? bias.data[column] : 0;
        for (let i = 0; i < k; i++) {
          const left = a.data[offsetA + (transposeA ? i * m + row : row * k + i)];
          const right = b.data[offsetB + (transposeB ? column * k + i : i * n + column)];
          sum += left * right;
        }
        sums[(z * m + row) * n + column] = sum;
      }
    }
  }
  const { activation = 'none' } = attributes;
  return [activation === 'none' ? sums : sums.map((value) => unaryFunction(activation, value, {})), sums];
}

/** [gᵀ · x, the sums of g's columns]. */
export function referenceGradWeight(g: NdArray, x: NdArray): Float64Array[] {
  const [rows, columns] = g.shape;
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) sums[column] += g.data[row * columns + column];
  }
  return [referenceMatmul([g, x], { transposeA: true })[0], sums];
}
