/** Arithmetic with broadcasting in float64. */
import { broadcastStrides } from '../../tensor/shape.ts';
import { type Shape, sizeOf } from '../../tensor/spec.ts';
import type { NdArray } from '../definition.ts';
import type { BinaryName } from './attributes.ts';

function operate(name: BinaryName, a: number, b: number): number {
  switch (name) {
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'div':
      return a / b;
    case 'equal':
      return a === b ? 1 : 0;
    case 'less':
      return a < b ? 1 : 0;
    case 'lessEqual':
      return a <= b ? 1 : 0;
    default:
      return name satisfies never;
  }
}

/** Elementwise arithmetic with NumPy broadcasting, float64. */
export function referenceBinary(name: BinaryName, a: NdArray, b: NdArray, shape: Shape): Float64Array {
  const out = new Float64Array(sizeOf(shape));
  const stridesA = broadcastStrides(a.shape, shape);
  const stridesB = broadcastStrides(b.shape, shape);
  for (let i = 0; i < out.length; i++) {
    let rest = i;
    let atA = 0;
    let atB = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const index = rest % shape[axis];
      rest = (rest - index) / shape[axis];
      atA += index * stridesA[axis];
      atB += index * stridesB[axis];
    }
    out[i] = operate(name, a.data[atA], b.data[atB]);
  }
  return out;
}
