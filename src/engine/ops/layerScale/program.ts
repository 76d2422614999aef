/** The programs of layer scale: shapes, plans and cost. */
import { type BufferReference, gridFor, type Plan, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { ceilDiv, requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { planSum, sumKernels } from '../reduce/plan.ts';
import { rowGrid } from '../rows.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { referenceGradGamma, referenceScale } from './reference.ts';
import { rowsOf } from './shape.ts';

const VERSIONS = ['scalar', 'vec4'] as const;

const scaleKernel = kernel('layerScale/scale');
const gradGammaKernel = kernel('layerScale/gradGamma');

function checkInputs(op: string, x: TensorSpec, gamma: Shape, factor: TensorSpec | undefined): void {
  requireShape(
    x.shape.length >= 1 && sameShape(gamma, x.shape.slice(-1)),
    op,
    `gamma ${formatShape(gamma)} must hold one number for each entry of the last axis of ${formatShape(x.shape)}`,
  );
  requireShape(
    !factor || (x.shape.length > 1 && sameShape(factor.shape, x.shape.slice(0, 1))),
    op,
    `factor ${formatShape(factor?.shape ?? [])} must hold one number for each sample of ${formatShape(x.shape)}`,
  );
}

/** Whether the fast kernel serves, or null where `version` asks for what cannot be. */
function useVector(channels: number, version: string | undefined): boolean | null {
  const fits = channels % 4 === 0;
  if (version === 'vec4') return fits ? true : null;
  return fits && version !== 'scalar';
}

interface ScaleBuffers {
  readonly residual?: BufferReference;
  readonly x: BufferReference;
  readonly gamma?: BufferReference;
  readonly factor?: BufferReference;
}

function scalePlan(
  spec: TensorSpec,
  buffers: ScaleBuffers,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  const { rows, channels: width, rowsPerSample } = rowsOf(spec.shape);
  const vector = useVector(width, version);
  if (vector === null) return null;
  const channels = vector ? width / 4 : width;
  const grid = rowGrid(rows, channels, target);
  const { residual, x, gamma, factor } = buffers;
  const vector32 = gamma ?? factor;
  if (!vector32) throw new Error('layerScale: neither gamma nor factor');
  return {
    dispatches: [
      {
        kernel: scaleKernel,
        width: vector ? 4 : 1,
        storage: storageOf(spec),
        buffers: { residual: residual ?? x, x, gamma: gamma ?? vector32, factor: factor ?? vector32, out: 'out0' },
        uniforms: { rows, lanes: grid.lanes, channels, rowsPerSample },
        overrides: {
          HAS_RESIDUAL: Number(residual !== undefined),
          HAS_GAMMA: Number(gamma !== undefined),
          HAS_FACTOR: Number(factor !== undefined),
        },
        workgroups: grid.workgroups,
      },
    ],
  };
}

/** (x, gamma, factor?) → factor[n] * gamma[c] * x: layer scale, and the gradient of x. */
export const layerScaleProgram = defineProgram<NoAttributes>({
  name: 'layerScale',
  signature: { inputs: { x: 'activation', gamma: 'float32', 'factor?': 'float32' }, attributes: {} },
  kernels: [scaleKernel],
  versions: VERSIONS,
  infer([x, gamma, factor]) {
    checkInputs('layerScale', x, gamma.shape, factor);
    return [like(x)];
  },
  plan: ([x, , factor], _outputs, _attributes, target, version) =>
    scalePlan(x, { x: 'in0', gamma: 'in1', ...(factor && { factor: 'in2' }) }, target, version),
  reference: ([x, gamma, factor]) => [referenceScale(x, gamma, factor, undefined)],
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});

/** (x, factor [N]) → factor[n] * x: of drop path, whose factor is none of x's own format. */
export const sampleScaleProgram = defineProgram<NoAttributes>({
  name: 'layerScale.sampleScale',
  kernels: [scaleKernel],
  versions: VERSIONS,
  infer([x, factor]) {
    checkInputs('layerScale.sampleScale', x, x.shape.slice(-1), factor);
    return [like(x)];
  },
  plan: ([x], _outputs, _attributes, target, version) => scalePlan(x, { x: 'in0', factor: 'in1' }, target, version),
  reference: ([x, factor]) => [referenceScale(x, undefined, factor, undefined)],
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});

/** (residual, x, gamma, factor?) → residual + factor[n] * gamma[c] * x. */
export const scaleResidualProgram = defineProgram<NoAttributes>({
  name: 'scaleResidual',
  signature: {
    inputs: { residual: 'arithmetic', x: 'arithmetic', gamma: 'float32', 'factor?': 'float32' },
    attributes: {},
  },
  kernels: [scaleKernel],
  versions: VERSIONS,
  infer([residual, x, gamma, factor]) {
    requireShape(
      sameShape(residual.shape, x.shape),
      'scaleResidual',
      `residual ${formatShape(residual.shape)} and x ${formatShape(x.shape)} must have one shape`,
    );
    checkInputs('scaleResidual', x, gamma.shape, factor);
    requireSameType('scaleResidual', [residual, x]);
    return [like(x)];
  },
  plan: ([x, , , factor], _outputs, _attributes, target, version) =>
    scalePlan(x, { residual: 'in0', x: 'in1', gamma: 'in2', ...(factor && { factor: 'in3' }) }, target, version),
  reference: ([residual, x, gamma, factor]) => [referenceScale(x, gamma, factor, residual)],
  cost: ([x]) => ({ flops: 2 * sizeOf(x.shape) }),
});

/** Threads that keep the device busy; more chunks only lengthen the second pass. */
function chunksFor(rows: number, columns: number, target: PlanTarget): number {
  const threads = target.deviceClass === 'software' ? 256 : 32_768;
  return Math.max(1, Math.min(ceilDiv(threads, columns), ceilDiv(rows, 8)));
}

/** (gradOutput, x, factor?) → gradient of gamma: sum over rows of factor * gradOutput * x. */
export const gradGammaProgram = defineProgram<NoAttributes>({
  name: 'layerScale.gradGamma',
  kernels: [gradGammaKernel, ...sumKernels],
  versions: VERSIONS,
  infer([gradOutput, x, factor]) {
    requireShape(
      sameShape(gradOutput.shape, x.shape),
      'layerScale.gradGamma',
      `gradient ${formatShape(gradOutput.shape)} and x ${formatShape(x.shape)} must have one shape`,
    );
    checkInputs('layerScale.gradGamma', x, x.shape.slice(-1), factor);
    requireSameType('layerScale.gradGamma', [gradOutput, x]);
    return [f32(x.shape.slice(-1))];
  },
  plan([, x, factor], _outputs, _attributes, target, version) {
    const { rows, channels: width, rowsPerSample } = rowsOf(x.shape);
    const vector = useVector(width, version);
    if (vector === null) return null;
    const channels = vector ? width / 4 : width;
    const chunks = chunksFor(rows, channels, target);
    const scratch = [...(chunks > 1 ? [chunks * width * 4] : []), ...(factor ? [] : [16])];
    const unread = `tmp${scratch.length - 1}` as const;
    const partial = chunks > 1 ? 'tmp0' : 'out0';
    const stages = [{ outer: 1, extent: chunks, inner: width }];
    return {
      dispatches: [
        {
          kernel: gradGammaKernel,
          width: vector ? 4 : 1,
          storage: storageOf(x),
          buffers: { gradOutput: 'in0', x: 'in1', factor: factor ? 'in2' : unread, partial },
          uniforms: { rows, channels, chunks, rowsPerSample },
          overrides: { HAS_FACTOR: Number(factor !== undefined) },
          workgroups: gridFor(chunks * channels, 64),
        },
        ...(chunks > 1 ? planSum('tmp0', 'out0', stages, 1, target, version, scratch) : []),
      ],
      scratch,
    };
  },
  reference: ([gradOutput, x, factor]) => [referenceGradGamma(gradOutput, x, factor)],
  cost: ([x]) => ({ flops: 2 * sizeOf(x.shape) }),
});
