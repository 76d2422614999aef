/** The elementwise functions of one argument and their derivatives in float64. */
import type { NdArray } from '../definition.ts';
import type { UnaryAttributes, UnaryName } from './attributes.ts';

/**
 * erf in float64: its Maclaurin series up to |x| = 3, beyond it 1 - erfc by the continued fraction (Abramowitz and Stegun
 * 7.1.5 and 7.1.14). Relative error below 1e-14.
 */
function erf(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude > 6) return Math.sign(x);
  if (magnitude <= 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k >= 1; k--) fraction = k / 2 / (magnitude + fraction);
  const complement = Math.exp(-magnitude * magnitude) / Math.sqrt(Math.PI) / (magnitude + fraction);
  return Math.sign(x) * (1 - complement);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const GELU_CUBIC = 0.044715;
const geluTanhArgument = (x: number): number => Math.sqrt(2 / Math.PI) * (x + GELU_CUBIC * x ** 3);

/** gelu is the exact (erf) form, geluTanh the approximation, as torch.nn.functional.gelu(approximate='none' | 'tanh'). */
export function unaryFunction(name: UnaryName, x: number, { scale = 1, shift = 0 }: UnaryAttributes): number {
  switch (name) {
    case 'gelu':
      return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
    case 'geluTanh':
      return 0.5 * x * (1 + Math.tanh(geluTanhArgument(x)));
    case 'relu':
      return Math.max(x, 0);
    case 'silu':
      return x * sigmoid(x);
    case 'sigmoid':
      return sigmoid(x);
    case 'tanh':
      return Math.tanh(x);
    case 'exp':
      return Math.exp(x);
    case 'log':
      return Math.log(x);
    case 'affine':
      return scale * x + shift;
    case 'sqrt':
      return Math.sqrt(x);
    case 'square':
      return x * x;
    case 'abs':
      return Math.abs(x);
    case 'softplus':
      return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    case 'pow':
      return x ** scale;
    default:
      return name satisfies never;
  }
}

/** d f / d x; relu and abs have 0 at 0, and relu has 1 at NaN, as PyTorch. */
export function unaryDerivative(name: UnaryName, x: number, { scale = 1 }: UnaryAttributes): number {
  switch (name) {
    case 'gelu':
      return 0.5 * (1 + erf(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
    case 'geluTanh': {
      const t = Math.tanh(geluTanhArgument(x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * Math.sqrt(2 / Math.PI) * (1 + 3 * GELU_CUBIC * x * x);
    }
    case 'relu':
      return x <= 0 ? 0 : 1;
    case 'silu': {
      const s = sigmoid(x);
      return s * (1 + x * (1 - s));
    }
    case 'sigmoid': {
      const s = sigmoid(x);
      return s * (1 - s);
    }
    case 'tanh':
      return 1 - Math.tanh(x) ** 2;
    case 'exp':
      return Math.exp(x);
    case 'log':
      return 1 / x;
    case 'affine':
      return scale;
    case 'sqrt':
      return 0.5 / Math.sqrt(x);
    case 'square':
      return 2 * x;
    case 'abs':
      return Math.sign(x);
    case 'softplus':
      return sigmoid(x);
    case 'pow':
      return scale === 0 ? 0 : scale * x ** (scale - 1);
    default:
      return name satisfies never;
  }
}

/** f(x) of each element. */
export function referenceUnary(name: UnaryName, x: NdArray, attributes: UnaryAttributes): Float64Array {
  return x.data.map((value) => unaryFunction(name, value, attributes));
}

/** gradOutput * f'(x) of each element. */
export function referenceUnaryBackward(
  name: UnaryName,
  gradOutput: NdArray,
  x: NdArray,
  attributes: UnaryAttributes,
): Float64Array {
  return x.data.map((value, i) => gradOutput.data[i] * unaryDerivative(name, value, attributes));
}
