/** The movements in float64. */
import { broadcastStrides, normalizeAxis, stridesOf } from '../../tensor/shape.ts';
import { type DType, type Shape, sizeOf } from '../../tensor/spec.ts';
import type { NdArray } from '../definition.ts';
import type { SliceAttributes, UnsliceAttributes } from './attributes.ts';
import { beginnings, flipped, permuted, select, type StridedSide } from './layout.ts';

/** The same move on float64 arrays. */
function moveStrided(
  extents: Shape,
  from: StridedSide & { readonly data: Float64Array },
  to: StridedSide & { readonly data: Float64Array },
): void {
  const grid = stridesOf(extents);
  const size = sizeOf(extents);
  for (let i = 0; i < size; i++) {
    let source = from.offset ?? 0;
    let target = to.offset ?? 0;
    for (let axis = 0; axis < extents.length; axis++) {
      const index = Math.floor(i / grid[axis]) % extents[axis];
      source += index * from.strides[axis];
      target += index * to.strides[axis];
    }
    to.data[target] = from.data[source];
  }
}

/** A copy. */
export function referenceCopy(x: NdArray): Float64Array {
  return x.data.slice();
}

/** destination = source. */
export function referenceAssign(destination: NdArray, source: NdArray): void {
  destination.data.set(source.data);
}

/** x stretched to `shape`. */
export function referenceExpand(x: NdArray, shape: Shape): Float64Array {
  const data = new Float64Array(sizeOf(shape));
  const from = { data: x.data, strides: broadcastStrides(x.shape, shape) };
  moveStrided(shape, from, { data, strides: stridesOf(shape) });
  return data;
}

/** Axis k of the result is axis `axes[k]` of x. */
export function referencePermute(x: NdArray, axes: readonly number[]): Float64Array {
  const data = new Float64Array(x.data.length);
  const { shape, strides } = permuted(x.shape, axes);
  moveStrided(shape, { data: x.data, strides }, { data, strides: stridesOf(shape) });
  return data;
}

/** x in reverse along some axes. */
export function referenceFlip(x: NdArray, axes: readonly number[]): Float64Array {
  const data = new Float64Array(x.data.length);
  moveStrided(x.shape, { data: x.data, ...flipped(x.shape, axes) }, { data, strides: stridesOf(x.shape) });
  return data;
}

/** The selected elements of x. */
export function referenceSlice(x: NdArray, attributes: SliceAttributes): Float64Array {
  const { shape, offset, strides } = select(x.shape, attributes);
  const data = new Float64Array(sizeOf(shape));
  moveStrided(shape, { data: x.data, offset, strides }, { data, strides: stridesOf(shape) });
  return data;
}

/** A tensor of `value` whose selected elements are those of x. */
export function referenceUnslice(x: NdArray, attributes: UnsliceAttributes): Float64Array {
  const data = referenceFill(attributes.shape, attributes.value ?? 0);
  const { offset, strides } = select(attributes.shape, attributes);
  moveStrided(x.shape, { data: x.data, strides: stridesOf(x.shape) }, { data, offset, strides });
  return data;
}

/** The inputs one after another along `axis` of a result of `shape`. */
export function referenceConcat(inputs: readonly NdArray[], axis: number, shape: Shape): Float64Array {
  const along = normalizeAxis('concat', axis, shape.length);
  const strides = stridesOf(shape);
  const data = new Float64Array(sizeOf(shape));
  beginnings(inputs, along).forEach((begin, index) => {
    const from = { data: inputs[index].data, strides: stridesOf(inputs[index].shape) };
    moveStrided(inputs[index].shape, from, { data, offset: begin * strides[along], strides });
  });
  return data;
}

/** Fractions cut off towards zero where the type has none; NaN becomes the word 0x80000000. */
export function referenceCast(x: NdArray, dtype: DType): Float64Array {
  const lowest = dtype === 'i32' ? -(2 ** 31) : 2 ** 31;
  return x.data.map((value) => (dtype === 'f32' ? value : Number.isNaN(value) ? lowest : Math.trunc(value)));
}

/** `value` everywhere. */
export function referenceFill(shape: Shape, value: number): Float64Array {
  return new Float64Array(sizeOf(shape)).fill(value);
}
