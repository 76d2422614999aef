/** The programs of resizing: shapes, plans and cost. */
import { type Dispatch, gridFor, type KernelDefinition, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { type Callable, defineProgram, type Program } from '../definition.ts';
import { shortRow, walkRows } from '../rows.ts';
import { like, storageOf } from '../storage.ts';
import type { Resampling, ResizeAttributes, ResizeBackwardAttributes } from './attributes.ts';
import { linearAxis, nearestScale, resizedShape } from './axis.ts';
import { referenceResize, referenceResizeBackward } from './reference.ts';

/** 'rows' is bilinear's alone: one thread per row and group of channels. */
const VERSIONS: Readonly<Record<Resampling, readonly string[]>> = {
  nearest: ['scalar', 'vec4'],
  bilinear: ['scalar', 'vec4', 'rows'],
};

interface Kernels {
  /** One thread per element, or several elements in fours. */
  readonly items: KernelDefinition;
  readonly rows: KernelDefinition | null;
}

const kernelsOf = (kind: Resampling, suffix: '' | 'Backward'): Kernels => ({
  items: kernel(`upsample/${kind}${suffix}`),
  rows: kind === 'bilinear' ? kernel(`upsample/bilinear${suffix}Rows`) : null,
});

/** The dispatch over the pixels of `owned` (the result), or null where `version` cannot serve. */
function resizeDispatch(
  kind: Resampling,
  kernels: Kernels,
  buffers: Dispatch['buffers'],
  inputShape: Shape,
  { size, alignCorners = false, scales }: ResizeAttributes,
  owned: TensorSpec,
  target: PlanTarget,
  version: string | undefined,
): Dispatch | null {
  const fits = inputShape[3] % 4 === 0;
  if ((version === 'vec4' || version === 'rows') && !fits) return null;
  const vector = fits && version !== 'scalar';
  const channels = vector ? inputShape[3] / 4 : inputShape[3];
  const [, inHeight, inWidth] = inputShape;
  const [outHeight, outWidth] = size;
  const y = linearAxis(inHeight, outHeight, alignCorners, scales?.[0]);
  const x = linearAxis(inWidth, outWidth, alignCorners, scales?.[1]);
  const positions: Readonly<Record<string, number>> =
    kind === 'nearest'
      ? {
          scaleY: nearestScale(inHeight, outHeight, scales?.[0]),
          scaleX: nearestScale(inWidth, outWidth, scales?.[1]),
        }
      : {
          ...{ factorY: y.factor, shiftY: y.shift, denominatorY: y.denominator },
          ...{ factorX: x.factor, shiftX: x.shift, denominatorX: x.denominator },
        };
  const geometry = { inHeight, inWidth, outHeight, outWidth, ...positions };
  // With SwiftShader's four lanes it takes twice the time backward.
  const wide = target.deviceClass === 'software' && target.subgroupSize >= 8;
  const byRows = version === 'rows' || (version === undefined && wide);
  if (kernels.rows && vector && byRows) {
    const rows = owned.shape[0] * owned.shape[1];
    return {
      kernel: kernels.rows,
      storage: storageOf(owned),
      buffers,
      uniforms: { rows, channels, ...geometry },
      workgroups: gridFor(rows * channels, 64),
    };
  }
  const { uniforms, overrides, workgroups } = walkRows(owned.shape.slice(0, 3), channels, target);
  const keeps = kernels.items.overrides.includes('SHORT') && !vector && uniforms.lanes === 1;
  return {
    kernel: kernels.items,
    width: vector ? 4 : 1,
    storage: storageOf(owned),
    buffers,
    uniforms: { ...uniforms, channels, ...geometry },
    overrides: { ...overrides, ...(keeps && shortRow(channels)) },
    workgroups,
  };
}

/** Forward and backward programs of one way of resizing. */
export function resizePrograms(
  op: string,
  kind: Resampling,
): { forward: Callable<ResizeAttributes>; backward: Program<ResizeBackwardAttributes> } {
  const kernels = kernelsOf(kind, '');
  const backwardKernels = kernelsOf(kind, 'Backward');
  const flopsPerTap = kind === 'nearest' ? 0 : 2;
  const forward = defineProgram<ResizeAttributes>({
    name: op,
    signature: { inputs: { x: 'activation' }, attributes: { size: 'pair', alignCorners: 'flag?', scales: 'reals?' } },
    kernels: Object.values(kernels).filter((kernel) => kernel !== null),
    versions: VERSIONS[kind],
    infer: ([x], { size }) => [like(x, resizedShape(op, x.shape, size))],
    plan([x], [out], attributes, target, version) {
      const buffers = { x: 'in0', out: 'out0' } as const;
      const dispatch = resizeDispatch(kind, kernels, buffers, x.shape, attributes, out, target, version);
      return dispatch && { dispatches: [dispatch] };
    },
    reference: ([x], attributes) => [referenceResize(kind, x.data, x.shape, attributes)],
    cost: (_inputs, [out]) => ({ flops: 4 * flopsPerTap * sizeOf(out.shape) }),
  });
  const backward = defineProgram<ResizeBackwardAttributes>({
    name: `${op}.backward`,
    kernels: Object.values(backwardKernels).filter((kernel) => kernel !== null),
    versions: VERSIONS[kind],
    infer([gradOutput], { inputShape, size }) {
      const expected = resizedShape(op, inputShape, size);
      requireShape(
        sameShape(gradOutput.shape, expected),
        `${op}.backward`,
        `gradient ${formatShape(gradOutput.shape)} should be ${formatShape(expected)}`,
      );
      return [like(gradOutput, inputShape)];
    },
    plan(_inputs, [gradX], attributes, target, version) {
      const buffers = { gradOutput: 'in0', gradX: 'out0' } as const;
      const { inputShape } = attributes;
      const dispatch = resizeDispatch(kind, backwardKernels, buffers, inputShape, attributes, gradX, target, version);
      return dispatch && { dispatches: [dispatch] };
    },
    reference: ([gradOutput], { inputShape, ...attributes }) => [
      referenceResizeBackward(kind, gradOutput.data, inputShape, attributes),
    ],
    cost: ([gradOutput]) => ({ flops: 4 * flopsPerTap * sizeOf(gradOutput.shape) }),
  });
  return { forward, backward };
}
