/** What a product ends in: bias, activation, scales, residual. */
import type { BufferReference } from '../../gpu/kernel.ts';
import type { Activation } from './attributes.ts';

/** What a product ends in, in this order; see shaders/common/product.wgsl. */
export interface Epilogue {
  /** [n], added to the sums. */
  readonly bias?: BufferReference | undefined;
  readonly activation?: Activation;
  /** Takes the sums as they go into the activation; beside gelu's derivative, gelu of side. */
  readonly kept?: BufferReference | undefined;
  /** A number, multiplied; 1 where left out. */
  readonly gain?: number;
  /** [n], multiplied. */
  readonly scale?: BufferReference | undefined;
  /** One number for each `rows` rows in a run, multiplied. */
  readonly factor?: { readonly buffer: BufferReference; readonly rows: number } | undefined;
  /** Of the output's shape: added (a residual), or gelu's derivative there multiplied. */
  readonly side?: { readonly buffer: BufferReference; readonly how: 'add' | 'geluSlope' } | undefined;
}

/** Whether the product ends as it is: only such a one may be split, for anything else must see whole sums. */
export function isPlain({ bias, activation = 'none', scale, factor, side }: Epilogue): boolean {
  return !bias && activation === 'none' && !scale && !factor && !side;
}

/**
 * Every binding must be given. What is not there is `unused`: for side a tensor of its format (`like`), for the others a scratch word, since
 * they are float32 whatever the activations are, and another for what is not written, since an output may not be bound twice.
 */
export function epilogueBuffers(
  { bias, kept, scale, factor, side }: Epilogue,
  like: BufferReference,
  unused: () => BufferReference,
): Record<'bias' | 'scale' | 'factor' | 'side' | 'kept', BufferReference> {
  const unread = bias ?? scale ?? factor?.buffer ?? unused();
  return {
    bias: bias ?? unread,
    scale: scale ?? unread,
    factor: factor?.buffer ?? unread,
    side: side?.buffer ?? like,
    kept: kept ?? unused(),
  };
}

/** By their number in shaders/common/product.wgsl. */
const ACTIVATIONS: readonly Activation[] = ['none', 'relu', 'gelu'];

export function epilogueUniforms({
  bias,
  activation = 'none',
  kept,
  gain = 1,
  scale,
  factor,
  side,
}: Epilogue): Record<string, number> {
  return {
    hasBias: bias ? 1 : 0,
    activation: ACTIVATIONS.indexOf(activation),
    hasScale: scale ? 1 : 0,
    rowsPerFactor: factor?.rows ?? 0,
    side: side ? { add: 1, geluSlope: 2 }[side.how] : 0,
    keeps: kept ? 1 : 0,
    gain,
  };
}
