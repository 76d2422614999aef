/** The programs of picking along an axis and of its gradient. */
import { gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { byteLength, type DType, formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { bitsOf } from '../movement/convert.ts';
import { storageOf } from '../storage.ts';
import type { GatherAttributes, GatherGradientAttributes } from './attributes.ts';
import { type GatherLayout, gatherLayout } from './layout.ts';
import { referenceGather, referenceGatherGradient } from './reference.ts';

const forwardKernel = kernel('gather/gather');
const gradientKernel = kernel('gather/gradient');

/** What an index that is none of the axis gives: NaN, and of integers the one of the largest magnitude. */
const MISSING: Readonly<Record<DType, number>> = { f32: Number.NaN, f16: Number.NaN, i32: -(2 ** 31), u32: 2 ** 31 };

function uniformsOf({ shape: _, ...numbers }: GatherLayout, size: number): Record<string, number> {
  return { size, ...numbers };
}

/** (x, index) → the elements of x at the indices along an axis; see `gatherLayout`. */
export const gatherProgram = defineProgram<GatherAttributes>({
  name: 'gather',
  signature: { inputs: { x: 'any', index: 'label' }, attributes: { axis: 'integer' } },
  kernels: [forwardKernel],
  infer: ([x, index], { axis }) => [{ shape: gatherLayout(x.shape, index.shape, axis).shape, dtype: x.dtype }],
  plan([x, index], [out], { axis }) {
    const size = sizeOf(out.shape);
    const layout = uniformsOf(gatherLayout(x.shape, index.shape, axis), size);
    return {
      dispatches: [
        {
          kernel: forwardKernel,
          storage: storageOf(x),
          buffers: { x: 'in0', index: 'in1', out: 'out0' },
          uniforms: { ...layout, missing: bitsOf(MISSING[x.dtype], x.dtype) },
          workgroups: gridFor(size, 64),
        },
      ],
    };
  },
  reference: ([x, index], { axis }, [out]) => [
    referenceGather(gatherLayout(x.shape, index.shape, axis), x, index, MISSING[out.dtype]),
  ],
  cost: ([, index], [out]) => ({ flops: 0, bytes: byteLength(index) + 2 * byteLength(out) }),
});

/** (gradOutput, index) → the gradient of x. */
export const gatherGradientProgram = defineProgram<GatherGradientAttributes>({
  name: 'gather.backward',
  kernels: [gradientKernel],
  infer([gradOutput, index], { shape, axis }) {
    const picked = gatherLayout(shape, index.shape, axis).shape;
    requireShape(
      sameShape(picked, gradOutput.shape),
      'gather.backward',
      `${formatShape(gradOutput.shape)} is not what index ${formatShape(index.shape)} picks from ${formatShape(shape)}`,
    );
    return [{ shape, dtype: gradOutput.dtype }];
  },
  plan([gradOutput, index], [out], { shape, axis }) {
    const size = sizeOf(out.shape);
    return {
      dispatches: [
        {
          kernel: gradientKernel,
          storage: storageOf(gradOutput),
          buffers: { gradOutput: 'in0', index: 'in1', gradX: 'out0' },
          uniforms: uniformsOf(gatherLayout(shape, index.shape, axis), size),
          workgroups: gridFor(size, 64),
        },
      ],
    };
  },
  reference: ([gradOutput, index], { shape, axis }) => [
    referenceGatherGradient(gatherLayout(shape, index.shape, axis), gradOutput, index, sizeOf(shape)),
  ],
  cost: ([gradOutput, index], [out]) => ({
    flops: sizeOf(gradOutput.shape),
    bytes: byteLength(gradOutput) + byteLength(index) + byteLength(out),
  }),
});
