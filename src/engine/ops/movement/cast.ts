import { gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { type DType, type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Case, type CaseInput, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';

/** In the order of the codes in shaders/movement/cast.wgsl. */
const TYPES: readonly DType[] = ['f32', 'u32', 'i32'];

const castKernel = kernel('movement/cast');

export interface CastAttributes {
  readonly dtype: DType;
}

/**
 * Elements as another type: fractions are cut off towards zero, integers above 2^24 are rounded to float32. Numbers must lie within the
 * range of the type they are cast to; what others become is not defined.
 */
export const castProgram = defineProgram<CastAttributes>({
  name: 'cast',
  kernels: [castKernel],
  infer: ([x], { dtype }) => [{ shape: x.shape, dtype }],
  plan([x], _outputs, { dtype }, target) {
    const size = sizeOf(x.shape);
    const workgroups = gridFor(Math.ceil(size / (target.deviceClass === 'software' ? 16 : 2)), 64);
    return {
      dispatches: [
        {
          kernel: castKernel,
          buffers: { x: 'in0', out: 'out0' },
          uniforms: { size, stride: workgroups[0] * workgroups[1] * 64 },
          overrides: { FROM: TYPES.indexOf(x.dtype), TO: TYPES.indexOf(dtype) },
          workgroups,
        },
      ],
    };
  },
  reference: ([x], { dtype }) => [x.data.map((value) => (dtype === 'f32' ? value : Math.trunc(value)))],
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});

function castCase(
  name: string,
  shape: Shape,
  from: DType,
  dtype: DType,
  fill: CaseInput['fill'],
  purpose: Case['purpose'] = ['test'],
): Case<CastAttributes> {
  return {
    name,
    inputs: [{ shape, dtype: from, fill, grad: false }],
    attributes: { dtype },
    purpose,
    tolerance: ELEMENTWISE_TOLERANCE,
  };
}

/** Element type conversion. */
export const cast = defineOp<CastAttributes>({
  name: 'cast',
  forward: castProgram,
  gradient: { none: 'integers have no gradients' },
  cases: [
    castCase('f32 to i32', [7], 'f32', 'i32', { values: [-3.7, -1, -0.5, 0, 0.5, 2.9, 1e6] }),
    castCase('f32 to u32', [5], 'f32', 'u32', { values: [0, 0.99, 1, 77.5, 4e9] }),
    castCase('u32 to f32', [3, 5], 'u32', 'f32', { integersBelow: 1000 }),
    castCase('i32 to f32', [4], 'i32', 'f32', { values: [-5, 0, 3, 100_000] }),
    castCase('u32 to i32', [3], 'u32', 'i32', { integersBelow: 9 }),
    castCase('f32 to f32', [3], 'f32', 'f32', 'normal'),
    castCase('mask, 224, N4', [4, 224, 224, 1], 'u32', 'f32', { integersBelow: 2 }, ['bench']),
  ],
});
