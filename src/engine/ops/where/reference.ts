/** The choice between two tensors in float64. */
import type { NdArray } from '../definition.ts';

export function referenceWhere([condition, a, b]: readonly NdArray[]): Float64Array {
  return condition.data.map((value, i) => (value !== 0 ? a.data[i] : b.data[i]));
}
