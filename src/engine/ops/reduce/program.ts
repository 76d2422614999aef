/** The programs of reductions: shapes, plans and cost. */
import { normalizeAxes, reducedShape } from '../../tensor/shape.ts';
import { type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Callable, defineProgram } from '../definition.ts';
import { like, storageOf } from '../storage.ts';
import type { ReduceAttributes } from './attributes.ts';
import { maxKernel, reductionPlan, sumKernels } from './plan.ts';
import { referenceMax, referenceSum } from './reference.ts';

/** Elements that one output element is made of. */
export function reducedCount(shape: Shape, axes: readonly number[] | undefined): number {
  return normalizeAxes('reduce', axes, shape.length).reduce((count, axis) => count * shape[axis], 1);
}

const signature = {
  inputs: { x: 'activation' },
  attributes: { axes: 'integers?', keepDims: 'flag?', dtype: ['f32', 'f16'] },
} as const;

function reduction(
  name: 'sum' | 'mean',
  scaleOf: (shape: Shape, axes: readonly number[] | undefined) => number,
): Callable<ReduceAttributes> {
  return defineProgram<ReduceAttributes>({
    name,
    signature,
    kernels: sumKernels,
    versions: ['scalar', 'vec4', 'tree'],
    infer: ([x], { axes, keepDims = false, dtype = 'f32' }) => [
      { shape: reducedShape(x.shape, normalizeAxes(name, axes, x.shape.length), keepDims), dtype },
    ],
    plan: ([x], [out], { axes }, target, version) =>
      reductionPlan(x.shape, normalizeAxes(name, axes, x.shape.length), scaleOf(x.shape, axes), target, version, {
        storage: storageOf(x),
        result: storageOf(out),
      }),
    reference: ([x], { axes }) => [referenceSum(x, axes, scaleOf(x.shape, axes))],
    cost: ([x]) => ({ flops: sizeOf(x.shape) }),
  });
}

export const sumProgram = reduction('sum', () => 1);
export const meanProgram = reduction('mean', (shape, axes) => 1 / reducedCount(shape, axes));

/** The largest element. */
export const maxProgram = defineProgram<ReduceAttributes>({
  name: 'max',
  signature,
  kernels: [maxKernel],
  versions: ['scalar', 'vec4'],
  infer: ([x], { axes, keepDims = false }) => [
    like(x, reducedShape(x.shape, normalizeAxes('max', axes, x.shape.length), keepDims)),
  ],
  plan: ([x], [out], { axes }, target, version) =>
    reductionPlan(x.shape, normalizeAxes('max', axes, x.shape.length), null, target, version, {
      storage: storageOf(x),
      result: storageOf(out),
    }),
  reference: ([x], { axes }) => [referenceMax(x, axes)],
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});
