/** The programs of layer normalization: shapes, plans and cost. */
import { gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { layoutHint, requireShape, sameShape } from '../../tensor/shape.ts';
import { byteLength, f32, formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { sumPairKernels, planColumnPairs, rowChunks } from '../reduce/columnPairs.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import type { LayerNormAttributes } from './attributes.ts';
import { chooseVersion, dealLanes, laneDispatch, NORM_VERSIONS, rowDispatch } from './plan.ts';
import { referenceGradInput, referenceGradParameters, referenceLayerNorm } from './reference.ts';

const forwardKernels = {
  rows: kernel('layerNorm/forward'),
  workgroup: kernel('layerNorm/forwardWorkgroup'),
};
const gradInputKernels = {
  rows: kernel('layerNorm/gradInput'),
  workgroup: kernel('layerNorm/gradInputWorkgroup'),
};
const gradParametersKernel = kernel('layerNorm/gradParameters');
const forwardLanesKernel = kernel('layerNorm/forwardLanes');
const backwardLanesKernel = kernel('layerNorm/backwardLanes');

const columnsOf = (shape: Shape): number => shape[shape.length - 1];
const rowsOf = (shape: Shape): number => sizeOf(shape) / columnsOf(shape);

/** Bytes of `spec`, each of its elements moved `times` times. */
const moved = (spec: TensorSpec, times: number): number => times * byteLength(spec);

/** (x [..., C], weight [C], bias [C]) → y [..., C], mean [...], rstd [...] (the latter two for backward). x and y may be float16. */
export const layerNormProgram = defineProgram<LayerNormAttributes>({
  name: 'layerNorm',
  signature: { inputs: { x: 'activation', weight: 'float32', bias: 'float32' }, attributes: { eps: 'number' } },
  kernels: [...Object.values(forwardKernels), forwardLanesKernel],
  versions: NORM_VERSIONS,
  infer([x, weight, bias]) {
    const columns = x.shape.at(-1);
    requireShape(columns !== undefined, 'layerNorm', 'a scalar has no last axis to normalize over');
    requireShape(
      sameShape(weight.shape, [columns]) && sameShape(bias.shape, [columns]),
      'layerNorm',
      `weight ${formatShape(weight.shape)} and bias ${formatShape(bias.shape)} must both be [${columns}] for an input of ${formatShape(x.shape)}${layoutHint(x.shape, weight.shape[0])}`,
    );
    return [like(x), f32(x.shape.slice(0, -1)), f32(x.shape.slice(0, -1))];
  },
  plan([x], _outputs, { eps }, target, version) {
    const [rows, columns, storage] = [rowsOf(x.shape), columnsOf(x.shape), storageOf(x)];
    const chosen = chooseVersion(rows, columns, target, version);
    if (!chosen) return null;
    const buffers = { x: 'in0', weight: 'in1', bias: 'in2', y: 'out0', mean: 'out1', rstd: 'out2' } as const;
    const dispatch =
      chosen === 'lanes'
        ? laneDispatch(forwardLanesKernel, buffers, rows, columns, dealLanes(rows, columns, target), { eps }, storage)
        : rowDispatch(chosen, forwardKernels, buffers, rows, columns, { eps }, storage, target);
    return { dispatches: [dispatch] };
  },
  reference: ([x, weight, bias], { eps }) => referenceLayerNorm(x, weight, bias, eps),
  cost: ([x]) => ({ flops: 8 * sizeOf(x.shape), bytes: moved(x, 2) }),
});

/**
 * (gradY, x, weight, mean, rstd) → gradX, gradWeight, gradBias: together, since each needs both of gradY and x. gradX has the type of x, the
 * parameters' gradients are float32.
 */
export const layerNormBackwardProgram = defineProgram<NoAttributes>({
  name: 'layerNorm.backward',
  kernels: [...Object.values(gradInputKernels), gradParametersKernel, backwardLanesKernel, ...sumPairKernels],
  versions: NORM_VERSIONS,
  infer([gradY, x]) {
    requireSameType('layerNorm.backward', [gradY, x]);
    return [like(x), f32([columnsOf(x.shape)]), f32([columnsOf(x.shape)])];
  },
  plan([, x], _outputs, _attributes, target, version) {
    const [rows, columns, storage] = [rowsOf(x.shape), columnsOf(x.shape), storageOf(x)];
    const chosen = chooseVersion(rows, columns, target, version);
    if (!chosen) return null;
    const read = { gradY: 'in0', x: 'in1', mean: 'in3', rstd: 'in4' } as const;
    const inputBuffers = { ...read, weight: 'in2', gradX: 'out0' } as const;
    if (chosen === 'lanes') {
      const dealt = dealLanes(rows, columns, target);
      return planColumnPairs(['out1', 'out2'], columns, dealt.workgroups, target, (gradWeight, gradBias) => {
        const buffers = { ...inputBuffers, gradWeight, gradBias };
        return laneDispatch(backwardLanesKernel, buffers, rows, columns, dealt, {}, storage);
      });
    }
    const vector = columns % 4 === 0 && chosen !== 'rows';
    const columnThreads = vector ? columns / 4 : columns;
    const chunks = rowChunks(rows, columnThreads, target);
    const parameters = planColumnPairs(['out1', 'out2'], columns, chunks, target, (gradWeight, gradBias) => ({
      kernel: gradParametersKernel,
      width: vector ? 4 : 1,
      storage,
      buffers: { ...read, gradWeight, gradBias },
      uniforms: { rows, columns: columnThreads, chunks },
      workgroups: gridFor(columnThreads * chunks, 64),
    }));
    const input = rowDispatch(chosen, gradInputKernels, inputBuffers, rows, columns, {}, storage, target);
    return { ...parameters, dispatches: [input, ...parameters.dispatches] };
  },
  reference([gradY, x, weight, mean, rstd]) {
    return [referenceGradInput([gradY, x, weight, mean, rstd]), ...referenceGradParameters([gradY, x, mean, rstd])];
  },
  cost: ([, x]) => ({ flops: 16 * sizeOf(x.shape), bytes: moved(x, 3) }),
});
