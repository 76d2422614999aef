import { gridFor } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { planColumnPairs, rowChunks } from '../reduce/columnPairs.ts';
import { sumKernel, sumVec4Kernel } from '../reduce/plan.ts';
import {
  forwardKernel,
  forwardVec4Kernel,
  forwardWorkgroupKernel,
  gradInputKernel,
  gradInputVec4Kernel,
  gradInputWorkgroupKernel,
  gradParametersKernel,
  gradParametersVec4Kernel,
} from './kernels.ts';
import { planRows, ROW_VERSIONS } from './plan.ts';
import { referenceGradInput, referenceGradParameters, referenceLayerNorm } from './reference.ts';

export interface LayerNormAttributes {
  /** Added to the variance inside the square root: 1e-6 in ConvNeXt, 1e-5 by PyTorch's default. */
  readonly eps: number;
}

type NoAttributes = Record<never, never>;

const columnsOf = (shape: Shape): number => shape[shape.length - 1];
const rowsOf = (shape: Shape): number => sizeOf(shape) / columnsOf(shape);

/** (x [..., C], weight [C], bias [C]) → y [..., C], mean [...], rstd [...] (the latter two for backward). */
export const layerNormProgram = defineProgram<LayerNormAttributes>({
  name: 'layerNorm',
  kernels: [forwardKernel, forwardVec4Kernel, forwardWorkgroupKernel],
  versions: ROW_VERSIONS,
  infer([x, weight, bias]) {
    const columns = x.shape.at(-1);
    requireShape(columns !== undefined, 'layerNorm', 'a scalar has no last axis to normalise over');
    requireShape(
      sameShape(weight.shape, [columns]) && sameShape(bias.shape, [columns]),
      'layerNorm',
      `weight ${formatShape(weight.shape)} and bias ${formatShape(bias.shape)} must both be [${columns}] for an input of ${formatShape(x.shape)}`,
    );
    return [f32(x.shape), f32(x.shape.slice(0, -1)), f32(x.shape.slice(0, -1))];
  },
  plan: ([x], _outputs, { eps }, target, version) =>
    planRows(
      { rows: forwardKernel, vec4: forwardVec4Kernel, workgroup: forwardWorkgroupKernel },
      { x: 'in0', weight: 'in1', bias: 'in2', y: 'out0', mean: 'out1', rstd: 'out2' },
      rowsOf(x.shape),
      columnsOf(x.shape),
      { eps },
      target,
      version,
    ),
  reference: ([x, weight, bias], { eps }) => referenceLayerNorm(x, weight, bias, eps),
  cost: ([x]) => ({ flops: 8 * sizeOf(x.shape) }),
});

/** (gradY, x, weight, mean, rstd) → gradX. */
export const layerNormGradInputProgram = defineProgram<NoAttributes>({
  name: 'layerNorm.gradInput',
  kernels: [gradInputKernel, gradInputVec4Kernel, gradInputWorkgroupKernel],
  versions: ROW_VERSIONS,
  infer: ([, x]) => [f32(x.shape)],
  plan: ([, x], _outputs, _attributes, target, version) =>
    planRows(
      { rows: gradInputKernel, vec4: gradInputVec4Kernel, workgroup: gradInputWorkgroupKernel },
      { gradY: 'in0', x: 'in1', weight: 'in2', mean: 'in3', rstd: 'in4', gradX: 'out0' },
      rowsOf(x.shape),
      columnsOf(x.shape),
      {},
      target,
      version,
    ),
  reference: (inputs) => [referenceGradInput(inputs)],
  cost: ([, x]) => ({ flops: 11 * sizeOf(x.shape) }),
});

/** (gradY, x, mean, rstd) → gradWeight, gradBias. */
export const layerNormGradParametersProgram = defineProgram<NoAttributes>({
  name: 'layerNorm.gradParameters',
  kernels: [gradParametersKernel, gradParametersVec4Kernel, sumKernel, sumVec4Kernel],
  versions: ['scalar', 'vec4'],
  infer: ([, x]) => [f32([columnsOf(x.shape)]), f32([columnsOf(x.shape)])],
  plan([, x], _outputs, _attributes, target, version) {
    const columns = columnsOf(x.shape);
    const rows = rowsOf(x.shape);
    if (version === 'vec4' && columns % 4 !== 0) return null;
    const vector = columns % 4 === 0 && version !== 'scalar';
    const columnThreads = vector ? columns / 4 : columns;
    const chunks = rowChunks(rows, columnThreads, target);
    return planColumnPairs(['out0', 'out1'], columns, chunks, target, (gradWeight, gradBias) => ({
      kernel: vector ? gradParametersVec4Kernel : gradParametersKernel,
      buffers: { gradY: 'in0', x: 'in1', mean: 'in2', rstd: 'in3', gradWeight, gradBias },
      uniforms: { rows, columns: columnThreads, chunks },
      workgroups: gridFor(columnThreads * chunks, 64),
    }));
  },
  reference: (inputs) => referenceGradParameters(inputs),
  cost: ([, x]) => ({ flops: 5 * sizeOf(x.shape) }),
});
