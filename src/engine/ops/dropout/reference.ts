/** Dropout in float64, by the very mask of the kernels. */
import { uniformAt } from '../../tensor/random.ts';
import { type Shape, sizeOf } from '../../tensor/spec.ts';
import { referenceBinary } from '../binary/reference.ts';
import type { NdArray } from '../definition.ts';
import { survivorScale } from './attributes.ts';

function factorAt(seed: NdArray, p: number, index: number): number {
  return uniformAt(seed.data[0], seed.data[1], index) >= Math.fround(p) ? survivorScale(p) : 0;
}

/** x times its own factor for each element. */
export function referenceDropout(x: NdArray, seed: NdArray, p: number): Float64Array {
  return x.data.map((value, index) => value * factorAt(seed, p, index));
}

/** x times factors of `shape`, which stretches to that of x. */
export function referenceFactored(x: NdArray, shape: Shape, seed: NdArray, p: number): Float64Array {
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, index) => factorAt(seed, p, index));
  return referenceBinary('mul', x, { shape, data }, x.shape);
}
