/** Initializers, as torch.nn.init and timm name them. All draw from the generator they are given: same seed, same weights. */
import { checkAttributes } from '../arguments.ts';
import type { Generator } from '../tensor/random.ts';
import { requireExtents } from '../tensor/shape.ts';
import { type Shape, sizeOf } from '../tensor/spec.ts';

/** Draws the first values of a parameter: row-major, as many as its shape has. */
export type Initializer = (shape: Shape, generator: Generator) => Float32Array;

/** Zeros, as many as a parameter has elements. */
function allocate(shape: Shape): Float32Array {
  requireExtents('an initializer', shape);
  return new Float32Array(sizeOf(shape));
}

function fill(shape: Shape, draw: () => number): Float32Array {
  const data = allocate(shape);
  for (let i = 0; i < data.length; i++) data[i] = draw();
  return data;
}

/** All 0, for any shape. @throws GmtlError `tensor/empty` for an extent of 0. */
export const zeros: Initializer = allocate;

/** All 1, for any shape. @throws GmtlError `tensor/empty` for an extent of 0. */
export const ones: Initializer = (shape) => allocate(shape).fill(1);

/** All `value`, for any shape (torch.nn.init.constant_). @throws GmtlError `ops/attribute` for what is not a number. */
export function constant(value: number): Initializer {
  checkAttributes('constant', { value: 'real' }, { value });
  return (shape) => allocate(shape).fill(value);
}

/** Normal of standard deviation `std`, redrawn outside ±2 (timm's trunc_normal_ with a = -2, b = 2: absolute bounds). */
export function truncatedNormal(std: number): Initializer {
  checkAttributes('truncatedNormal', { std: 'number' }, { std });
  return (shape, generator) =>
    fill(shape, () => {
      for (;;) {
        const value = generator.normal() * std;
        if (Math.abs(value) <= 2) return value;
      }
    });
}

/** U(-bound, bound) with bound = sqrt(6 / ((1 + slope^2) fanIn)): torch.nn.init.kaiming_uniform_ (leaky ReLU of `slope`). */
export function kaimingUniform(fanIn: number, slope = 0): Initializer {
  checkAttributes('kaimingUniform', { fanIn: 'number', slope: 'number' }, { fanIn, slope });
  const bound = Math.sqrt(6 / ((1 + slope * slope) * fanIn));
  return (shape, generator) => fill(shape, () => (2 * generator.uniform() - 1) * bound);
}

/**
 * Normal of mean 0 and variance 2 / fan (He et al. 2015): torch.nn.init.kaiming_normal_(nonlinearity='relu'), with mode='fan_out' where `fan` is what
 * goes out of a unit: KH · KW · output channels of a convolution.
 * @throws GmtlError `ops/attribute` for what is not a finite number.
 */
export function kaimingNormal(fan: number): Initializer {
  checkAttributes('kaimingNormal', { fan: 'number' }, { fan });
  return (shape, generator) => fill(shape, () => generator.normal() * Math.sqrt(2 / fan));
}

/**
 * U(-bound, bound) with bound = sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010): torch.nn.init.xavier_uniform_.
 * @throws GmtlError `ops/attribute` for what is not a finite number.
 */
export function xavierUniform(fanIn: number, fanOut: number): Initializer {
  checkAttributes('xavierUniform', { fanIn: 'number', fanOut: 'number' }, { fanIn, fanOut });
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return (shape, generator) => fill(shape, () => (2 * generator.uniform() - 1) * bound);
}

/** U(-1/sqrt(fanIn), 1/sqrt(fanIn)): PyTorch's default of Linear and Conv weights and biases. */
export function torchDefault(fanIn: number): Initializer {
  checkAttributes('torchDefault', { fanIn: 'number' }, { fanIn });
  const bound = 1 / Math.sqrt(fanIn);
  return (shape, generator) => fill(shape, () => (2 * generator.uniform() - 1) * bound);
}
