/** The programs of picking along an axis and of its gradient. */
import { gridFor, type Plan, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { byteLength, type DType, formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { axisFields, walkOver } from '../elementwise.ts';
import { bitsOf, fillProgram } from '../movement/convert.ts';
import { storageOf } from '../storage.ts';
import type { GatherAttributes, GatherGradientAttributes } from './attributes.ts';
import { type GatherLayout, gatherLayout } from './layout.ts';
import { referenceGather, referenceGatherGradient } from './reference.ts';

const forwardKernel = kernel('gather/gather');
const gradientKernel = kernel('gather/gradient');
const linksKernel = kernel('gather/gradientLinks');
const linkedKernel = kernel('gather/gradientLinked');

/** Reads of indices up to which one dispatch beats three; filling with zeros costs a quarter of a read for each element. */
const FEW_READS = 65_536;

/** What an index that is none of the axis gives: NaN, and of integers the one of the largest magnitude. */
const MISSING: Readonly<Record<DType, number>> = { f32: Number.NaN, f16: Number.NaN, i32: -(2 ** 31), u32: 2 ** 31 };

function uniformsOf({ shape: _, ...numbers }: GatherLayout, size: number): Record<string, number> {
  return { size, ...numbers };
}

/** A walk over a grid of the axes o, `along` and i (shaders/common/sixAxes.wgsl). */
function walkOf(size: number, along: number, inner: number, target: PlanTarget) {
  const walk = walkOver(size, target);
  return {
    uniforms: { share: walk.share, ...axisFields([size / (along * inner), along, inner], walk) },
    overrides: { ...walk.overrides, AXES: 3 },
    workgroups: walk.workgroups,
  };
}

/** (x, index) → the elements of x at the indices along an axis; see `gatherLayout`. */
export const gatherProgram = defineProgram<GatherAttributes>({
  name: 'gather',
  signature: { inputs: { x: 'any', index: 'label' }, attributes: { axis: 'integer' } },
  kernels: [forwardKernel],
  infer: ([x, index], { axis }) => [{ shape: gatherLayout(x.shape, index.shape, axis).shape, dtype: x.dtype }],
  plan([x, index], [out], { axis }, target) {
    const size = sizeOf(out.shape);
    const layout = gatherLayout(x.shape, index.shape, axis);
    const { count, ...numbers } = uniformsOf(layout, size);
    const { uniforms, ...walk } = walkOf(size, count, layout.inner, target);
    return {
      dispatches: [
        {
          kernel: forwardKernel,
          storage: storageOf(x),
          buffers: { x: 'in0', index: 'in1', out: 'out0' },
          uniforms: { ...numbers, ...uniforms, missing: bitsOf(MISSING[x.dtype], x.dtype) },
          ...walk,
        },
      ],
    };
  },
  reference: ([x, index], { axis }, [out]) => [
    referenceGather(gatherLayout(x.shape, index.shape, axis), x, index, MISSING[out.dtype]),
  ],
  cost: ([, index], [out]) => ({ flops: 0, bytes: byteLength(index) + 2 * byteLength(out) }),
});

/**
 * (gradOutput, index) → the gradient of x. 'scan': each element reads the whole list. 'links': places of one index are linked, which reads the list once for each
 * of its places, and the sums follow the links: for lists shorter than the axis, such as the rows of an embedding. Both give the same bits.
 */
export const gatherGradientProgram = defineProgram<GatherGradientAttributes>({
  name: 'gather.backward',
  kernels: [gradientKernel, linksKernel, linkedKernel, ...fillProgram.kernels],
  versions: ['scan', 'links'],
  infer([gradOutput, index], { shape, axis }) {
    const picked = gatherLayout(shape, index.shape, axis).shape;
    requireShape(
      sameShape(picked, gradOutput.shape),
      'gather.backward',
      `${formatShape(gradOutput.shape)} is not what index ${formatShape(index.shape)} picks from ${formatShape(shape)}`,
    );
    return [{ shape, dtype: gradOutput.dtype }];
  },
  plan([gradOutput, index], [out], { shape, axis }, target, version) {
    const layout = gatherLayout(shape, index.shape, axis);
    const { count, extent, inner, indexAlong } = layout;
    const [size, picked, places] = [out, gradOutput, index].map((spec) => sizeOf(spec.shape));
    const scanned = size * count;
    const isLinked = scanned > FEW_READS && scanned > 2 * (places * count + 2 * picked) + size / 4;
    const storage = storageOf(gradOutput);
    const buffers = { gradOutput: 'in0', index: 'in1', gradX: 'out0' } as const;
    if (version === 'scan' || (version === undefined && !isLinked)) {
      const { uniforms, ...walk } = walkOf(size, extent, inner, target);
      const { extent: _, ...numbers } = uniformsOf(layout, size);
      return {
        dispatches: [{ kernel: gradientKernel, storage, buffers, uniforms: { ...numbers, ...uniforms }, ...walk }],
      };
    }
    const zeros = fillProgram.plan([], [out], { shape, value: 0, dtype: out.dtype }, target) as Plan;
    return {
      scratch: [byteLength(index)],
      dispatches: [
        ...zeros.dispatches,
        {
          kernel: linksKernel,
          buffers: { index: 'in1', links: 'tmp0' },
          uniforms: { size: places, count, extent, indexAlong },
          workgroups: gridFor(places, 64),
        },
        {
          kernel: linkedKernel,
          storage,
          buffers: { ...buffers, links: 'tmp0' },
          uniforms: uniformsOf(layout, picked),
          workgroups: gridFor(picked, 64),
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
