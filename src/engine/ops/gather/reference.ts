/** Picking along an axis, and its gradient, in float64. */
import { sizeOf } from '../../tensor/spec.ts';
import type { NdArray } from '../definition.ts';
import type { GatherLayout } from './layout.ts';

/** Calls `visit` with where each element of the result lies, its k in order, and where in x it comes from; -1 where its index is none. */
function eachPick(
  { shape, extent, count, inner, indexOuter, indexAlong, indexInner }: GatherLayout,
  index: NdArray,
  visit: (at: number, source: number) => void,
): void {
  const size = sizeOf(shape);
  for (let at = 0; at < size; at++) {
    const i = at % inner;
    const k = Math.floor(at / inner) % count;
    const o = Math.floor(at / (inner * count));
    const picked = index.data[o * indexOuter + k * indexAlong + i * indexInner];
    visit(at, picked >= 0 && picked < extent ? (o * extent + picked) * inner + i : -1);
  }
}

/** The picked elements, `missing` where an index is none. */
export function referenceGather(layout: GatherLayout, x: NdArray, index: NdArray, missing: number): Float64Array {
  const out = new Float64Array(sizeOf(layout.shape));
  eachPick(layout, index, (at, source) => {
    out[at] = source < 0 ? missing : x.data[source];
  });
  return out;
}

/** For each element of x, the sum of the gradients of those that picked it. */
export function referenceGatherGradient(
  layout: GatherLayout,
  gradOutput: NdArray,
  index: NdArray,
  size: number,
): Float64Array {
  const gradX = new Float64Array(size);
  eachPick(layout, index, (at, source) => {
    if (source >= 0) gradX[source] += gradOutput.data[at];
  });
  return gradX;
}
