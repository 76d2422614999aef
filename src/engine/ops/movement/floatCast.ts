import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape } from '../../tensor/shape.ts';
import { type DType, isFloat, type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Case, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { storageOf } from '../storage.ts';
import { elementwisePlan } from '../unary/program.ts';

const floatCastKernel = kernel('movement/floatCast');

export interface FloatCastAttributes {
  readonly dtype: DType;
}

/** Elements in the other floating-point format: float16 rounds (to the nearest on all devices known), and gives infinity above 65,504. */
export const floatCastProgram = defineProgram<FloatCastAttributes>({
  name: 'floatCast',
  kernels: [floatCastKernel],
  infer([x], { dtype }) {
    requireShape(isFloat(x.dtype) && isFloat(dtype), 'floatCast', `${x.dtype} to ${dtype} is no conversion of floats`);
    return [{ shape: x.shape, dtype }];
  },
  plan: ([x], [out], _attributes, target) =>
    elementwisePlan(floatCastKernel, { x: 'in0', out: 'out0' }, sizeOf(x.shape), target, {
      storage: storageOf(x),
      result: storageOf(out),
    }),
  reference: ([x]) => [x.data.slice()],
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});

const castCase = (
  name: string,
  shape: Shape,
  from: DType,
  dtype: DType,
  purpose: Case['purpose'] = ['test'],
): Case<FloatCastAttributes> => ({
  name,
  inputs: [{ shape, dtype: from }],
  attributes: { dtype },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

/**
 * Conversion between float32 and float16. Its gradient comes back in the type of its input: so weights held in float32 get float32
 * gradients from the float16 copy that a product uses.
 */
export const floatCast = defineOp<FloatCastAttributes>({
  name: 'floatCast',
  forward: floatCastProgram,
  gradient: {
    saves: {},
    backward: ({ run, gradOutput, inputSpecs: [{ dtype }] }) =>
      gradOutput.spec.dtype === dtype ? [gradOutput] : run(floatCastProgram, [gradOutput], { dtype }),
  },
  cases: [
    castCase('to f16 and back', [2, 5], 'f32', 'f16', ['test', 'gradient']),
    castCase('to f32 and back', [3, 7, 3], 'f16', 'f32'),
    castCase('same type', [3, 4], 'f32', 'f32'),
    {
      ...castCase('far out', [9], 'f32', 'f16'),
      inputs: [{ shape: [9], fill: { values: [65_504, -65_504, 1e5, 6e-5, -1e-7, 1e-9, 2049, 0.1, 0] } }],
    },
    castCase('image, 224, N4', [4, 224, 224, 3], 'f32', 'f16', ['bench']),
    castCase('features, ConvNeXt-T stage 4', [8, 7, 7, 768], 'f16', 'f32', ['bench']),
  ],
});
