/** The programs that write elements in place of moving them: conversions of type, and constants. */
import { defineProgram } from '../definition.ts';
import { requireShape } from '../../tensor/shape.ts';
import { type DType, isFloat, sizeOf } from '../../tensor/spec.ts';
import { elementwisePlan, walkOver, wholeGroups } from '../elementwise.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { numberToFloat16 } from '../../tensor/float16.ts';
import { storageOf } from '../storage.ts';
import type { CastAttributes, FillAttributes, FloatCastAttributes } from './attributes.ts';
import { referenceCast, referenceCopy, referenceFill } from './reference.ts';

/** In the order of the codes in shaders/movement/cast.wgsl. */
const TYPES: readonly DType[] = ['f32', 'u32', 'i32'];

const castKernel = kernel('movement/cast');

/**
 * Elements as another type: fractions are cut off towards zero, integers above 2^24 are rounded to float32. Numbers must lie within the
 * range of the type they are cast to; what others become is not defined.
 */
export const castProgram = defineProgram<CastAttributes>({
  name: 'cast',
  signature: { inputs: { x: 'word' }, attributes: { dtype: 'dtype' } },
  kernels: [castKernel],
  infer: ([x], { dtype }) => [{ shape: x.shape, dtype }],
  plan([x], _outputs, { dtype }, target) {
    const size = sizeOf(x.shape);
    const { workgroups, share, overrides } = walkOver(size, target);
    return {
      dispatches: [
        {
          kernel: castKernel,
          buffers: { x: 'in0', out: 'out0' },
          uniforms: { size, share },
          overrides: { ...overrides, FROM: TYPES.indexOf(x.dtype), TO: TYPES.indexOf(dtype) },
          workgroups,
        },
      ],
    };
  },
  reference: ([x], { dtype }) => [referenceCast(x, dtype)],
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});

const floatCastKernel = kernel('movement/floatCast');

/** Elements in the other floating-point format: float16 rounds (to the nearest on all devices known), and gives infinity above 65,504. */
export const floatCastProgram = defineProgram<FloatCastAttributes>({
  name: 'floatCast',
  signature: { inputs: { x: 'float' }, attributes: { dtype: 'dtype' } },
  kernels: [floatCastKernel],
  infer([x], { dtype }) {
    requireShape(
      isFloat(x.dtype) && isFloat(dtype),
      'floatCast',
      `${x.dtype} to ${dtype} is not a conversion of floats`,
    );
    return [{ shape: x.shape, dtype }];
  },
  plan: ([x], [out], _attributes, target) =>
    elementwisePlan(floatCastKernel, { x: 'in0', out: 'out0' }, sizeOf(x.shape), target, {
      storage: storageOf(x),
      result: storageOf(out),
    }),
  reference: ([x]) => [referenceCopy(x)],
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});

const fillKernel = kernel('movement/fill');

/** The 32 bits of `value` as an element of `dtype`, or as two of them. */
export function bitsOf(value: number, dtype: DType): number {
  if (dtype === 'f16') return (numberToFloat16(value) * 0x1_0001) >>> 0;
  if (dtype !== 'f32') return value >>> 0;
  return new Uint32Array(new Float32Array([value]).buffer)[0];
}

/** No inputs → a tensor of `shape` whose elements are all `value`. */
export const fillProgram = defineProgram<FillAttributes>({
  name: 'fill',
  signature: { inputs: {}, attributes: { shape: 'integers', value: 'real', dtype: 'dtype?' } },
  kernels: [fillKernel],
  infer: (_inputs, { shape, dtype = 'f32' }) => [{ shape, dtype }],
  plan(_inputs, _outputs, { shape, value, dtype = 'f32' }, target) {
    const size = sizeOf(shape);
    const { workgroups, share, overrides: walked } = walkOver(Math.ceil(size / 4), target);
    const uniforms = { size, share, bits: bitsOf(value, dtype) };
    const storage = storageOf({ dtype });
    const overrides = { ...walked, ...wholeGroups(size) };
    return { dispatches: [{ kernel: fillKernel, storage, buffers: { out: 'out0' }, uniforms, overrides, workgroups }] };
  },
  reference: (_inputs, { shape, value }) => [referenceFill(shape, value)],
  cost: () => ({ flops: 0 }),
});
