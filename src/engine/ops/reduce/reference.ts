/** Reductions and their gradients in float64. */
import { normalizeAxes, reducedShape, stridesOf } from '../../tensor/shape.ts';
import { sizeOf } from '../../tensor/spec.ts';
import type { NdArray } from '../definition.ts';

/** Calls `visit(output index, input index)` for every input element. */
function forEachReduced(x: NdArray, axes: readonly number[], visit: (to: number, from: number) => void): void {
  const keptShape = reducedShape(x.shape, axes, true);
  const strides = stridesOf(keptShape).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
  for (let from = 0; from < x.data.length; from++) {
    let rest = from;
    let to = 0;
    for (let axis = x.shape.length - 1; axis >= 0; axis--) {
      const index = rest % x.shape[axis];
      rest = (rest - index) / x.shape[axis];
      to += index * strides[axis];
    }
    visit(to, from);
  }
}

/** Sum over axes (all where undefined) times `scale`. */
export function referenceSum(x: NdArray, axes: readonly number[] | undefined, scale: number): Float64Array {
  const list = normalizeAxes('sum', axes, x.shape.length);
  const out = new Float64Array(sizeOf(reducedShape(x.shape, list, false)));
  forEachReduced(x, list, (to, from) => {
    out[to] += x.data[from];
  });
  return out.map((value) => value * scale);
}

/** Maximum over axes (all where undefined). */
export function referenceMax(x: NdArray, axes: readonly number[] | undefined): Float64Array {
  const list = normalizeAxes('max', axes, x.shape.length);
  const out = new Float64Array(sizeOf(reducedShape(x.shape, list, false))).fill(Number.NEGATIVE_INFINITY);
  forEachReduced(x, list, (to, from) => {
    out[to] = Math.max(out[to], x.data[from]);
  });
  return out;
}
