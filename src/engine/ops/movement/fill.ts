import { gridFor, type BufferReference, type Dispatch, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { numberToFloat16 } from '../../tensor/float16.ts';
import { type DType, type Shape, sizeOf } from '../../tensor/spec.ts';
import { defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { storageOf } from '../storage.ts';

export const fillKernel = kernel('movement/fill');

/** The 32 bits of `value` as an element of `dtype`, or as two of them. */
export function bitsOf(value: number, dtype: DType): number {
  if (dtype === 'f16') return (numberToFloat16(value) * 0x1_0001) >>> 0;
  if (dtype !== 'f32') return value >>> 0;
  return new Uint32Array(new Float32Array([value]).buffer)[0];
}

/** Writes `value` to all `size` elements of a buffer. */
export function fillDispatch(
  out: BufferReference,
  size: number,
  value: number,
  dtype: DType,
  target: PlanTarget,
): Dispatch {
  const workgroups = gridFor(Math.ceil(size / 4 / (target.deviceClass === 'software' ? 16 : 2)), 64);
  const stride = workgroups[0] * workgroups[1] * 64;
  const storage = storageOf({ dtype });
  const uniforms = { size, stride, bits: bitsOf(value, dtype) };
  return { kernel: fillKernel, storage, buffers: { out }, uniforms, workgroups };
}

export interface FillAttributes {
  readonly shape: Shape;
  readonly value: number;
  /** `f32` by default. */
  readonly dtype?: DType;
}

/** No inputs → a tensor of `shape` whose elements are all `value`. */
export const fillProgram = defineProgram<FillAttributes>({
  name: 'fill',
  kernels: [fillKernel],
  infer: (_inputs, { shape, dtype = 'f32' }) => [{ shape, dtype }],
  plan: (_inputs, _outputs, { shape, value, dtype = 'f32' }, target) => ({
    dispatches: [fillDispatch('out0', sizeOf(shape), value, dtype, target)],
  }),
  reference: (_inputs, { shape, value }) => [new Float64Array(sizeOf(shape)).fill(value)],
  cost: () => ({ flops: 0 }),
});

/** A constant tensor, made on the device. */
export const fill = defineOp<FillAttributes>({
  name: 'fill',
  forward: fillProgram,
  gradient: { none: 'it has no inputs' },
  cases: [
    {
      name: 'odd count',
      inputs: [],
      attributes: { shape: [3, 7], value: -1.5 },
      purpose: ['test'],
      tolerance: ELEMENTWISE_TOLERANCE,
    },
    {
      name: 'scalar u32',
      inputs: [],
      attributes: { shape: [], value: 4_000_000_000, dtype: 'u32' },
      purpose: ['test'],
      tolerance: ELEMENTWISE_TOLERANCE,
    },
    {
      name: 'f16, odd count',
      inputs: [],
      attributes: { shape: [5, 7], value: -1.5, dtype: 'f16' },
      purpose: ['test'],
      tolerance: ELEMENTWISE_TOLERANCE,
    },
    {
      name: 'i32',
      inputs: [],
      attributes: { shape: [4], value: -3, dtype: 'i32' },
      purpose: ['test'],
      tolerance: ELEMENTWISE_TOLERANCE,
    },
    {
      name: 'ConvNeXt-T stage 1, N4',
      inputs: [],
      attributes: { shape: [4, 56, 56, 96], value: 0 },
      purpose: ['bench'],
    },
  ],
});
