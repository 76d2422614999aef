/** The elementwise functions of one argument by name, and what they are set by. */

/** In the order of the switch in shaders/common/unaryFunction.wgsl. */
export const UNARY_NAMES = [
  'gelu',
  'geluTanh',
  'relu',
  'silu',
  'sigmoid',
  'tanh',
  'exp',
  'log',
  'affine',
  'sqrt',
  'square',
  'abs',
  'softplus',
  'pow',
] as const;

export type UnaryName = (typeof UNARY_NAMES)[number];

/** `scale * x + shift` for affine; `scale` is the exponent of pow. The other functions have no use for them. */
export interface UnaryAttributes {
  readonly scale?: number;
  readonly shift?: number;
}
