/** The programs of depthwise convolution: shapes, plans and cost. */
import type { Plan } from '../../gpu/kernel.ts';
import { imageHint, requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, type Shape } from '../../tensor/spec.ts';
import {
  convolutionFlops,
  type ConvolutionGeometry,
  convolutionGeometry,
  inputShape,
  outputShape,
  requireBias,
} from '../conv2d/geometry.ts';
import { referenceGradInput } from '../conv2d/reference.ts';
import { defineProgram } from '../definition.ts';
import { like, requireAddend, requireSameType, storageOf } from '../storage.ts';
import type { DepthwiseAttributes, DepthwiseGradInputAttributes, DepthwiseGradWeightAttributes } from './attributes.ts';
import { depthwiseGradWeightKernels, depthwiseGradWeightVersions, planDepthwiseGradWeight } from './gradWeight.ts';
import { depthwiseKernels, depthwiseVersions, planDepthwise } from './plan.ts';
import { referenceDepthwise, referenceDepthwiseGradWeight } from './reference.ts';

/** The grouped convolution that it is: one group per channel; a weight [KH, KW, C] is in memory that of [KH, KW, 1, C]. */
function geometryOf(op: string, x: Shape, weight: Shape, attributes: DepthwiseAttributes): ConvolutionGeometry {
  requireShape(
    x.length === 4 && weight.length === 3 && x[3] === weight[2],
    op,
    `input ${formatShape(x)} must be [N, H, W, C] and weight ${formatShape(weight)} [KH, KW, C] of the same channels${imageHint(x, weight[2])}`,
  );
  const grouped = [weight[0], weight[1], 1, weight[2]];
  return convolutionGeometry(op, x, grouped, { ...attributes, groups: x[3] });
}

function requireOutput(op: string, geometry: ConvolutionGeometry, gradOutput: Shape): void {
  requireShape(
    sameShape(outputShape(geometry), gradOutput),
    op,
    `a gradient of shape ${formatShape(gradOutput)} for an output of ${formatShape(outputShape(geometry))}`,
  );
}

/** (x [N, H, W, C], weight [KH, KW, C], bias [C]?) → [N, OH, OW, C]. */
export const depthwiseProgram = defineProgram<DepthwiseAttributes>({
  name: 'depthwiseConv2d',
  signature: {
    inputs: { x: 'activation', weight: 'activation', 'bias?': 'float32' },
    attributes: { stride: 'pair?', padding: 'pair?', dilation: 'pair?' },
  },
  kernels: depthwiseKernels,
  versions: depthwiseVersions,
  infer([x, weight, bias], attributes) {
    const geometry = geometryOf('depthwiseConv2d', x.shape, weight.shape, attributes);
    requireBias('depthwiseConv2d', bias, geometry.outChannels);
    requireSameType('depthwiseConv2d', [x, weight]);
    return [like(x, outputShape(geometry))];
  },
  plan([x, weight, bias], _outputs, attributes, target, version): Plan | null {
    const geometry = geometryOf('depthwiseConv2d', x.shape, weight.shape, attributes);
    const storage = storageOf(x);
    const buffers = { storage, source: 'in0', weight: 'in1', bias: bias && 'in2', out: 'out0' } as const;
    return planDepthwise(geometry, false, buffers, target, version);
  },
  reference: ([x, weight, bias], attributes) => [
    referenceDepthwise(geometryOf('depthwiseConv2d', x.shape, weight.shape, attributes), x, weight, bias),
  ],
  cost: ([x, weight], _outputs, attributes) => ({
    flops: convolutionFlops(geometryOf('depthwiseConv2d', x.shape, weight.shape, attributes)),
  }),
});

function gradInputGeometry(
  gradOutput: Shape,
  weight: Shape,
  attributes: DepthwiseGradInputAttributes,
): ConvolutionGeometry {
  const op = 'depthwiseConv2d.gradInput';
  const geometry = geometryOf(op, [gradOutput[0], ...attributes.inputSize, gradOutput[3]], weight, attributes);
  requireOutput(op, geometry, gradOutput);
  return geometry;
}

/** (gradOutput, weight, addend?) → gradInput, plus what is to be added to it. */
export const depthwiseGradInputProgram = defineProgram<DepthwiseGradInputAttributes>({
  name: 'depthwiseConv2d.gradInput',
  kernels: depthwiseKernels,
  versions: depthwiseVersions,
  infer([gradOutput, weight, addend], attributes) {
    const shape = inputShape(gradInputGeometry(gradOutput.shape, weight.shape, attributes));
    requireSameType('depthwiseConv2d.gradInput', [gradOutput, weight]);
    requireAddend('depthwiseConv2d.gradInput', addend, like(gradOutput, shape));
    return [like(gradOutput, shape)];
  },
  plan([gradOutput, weight, addend], _outputs, attributes, target, version): Plan | null {
    const geometry = gradInputGeometry(gradOutput.shape, weight.shape, attributes);
    const storage = storageOf(gradOutput);
    const buffers = { storage, source: 'in0', weight: 'in1', addend: addend && 'in2', out: 'out0' } as const;
    return planDepthwise(geometry, true, buffers, target, version);
  },
  reference: ([gradOutput, weight, addend], attributes) => [
    referenceGradInput(
      gradInputGeometry(gradOutput.shape, weight.shape, attributes),
      gradOutput.data,
      weight.data,
      addend?.data,
    ),
  ],
  cost: ([gradOutput, weight], _outputs, attributes) => ({
    flops: convolutionFlops(gradInputGeometry(gradOutput.shape, weight.shape, attributes)),
  }),
});

function gradWeightGeometry(
  x: Shape,
  gradOutput: Shape,
  attributes: DepthwiseGradWeightAttributes,
): ConvolutionGeometry {
  const op = 'depthwiseConv2d.gradWeight';
  const geometry = geometryOf(op, x, [...attributes.kernel, x[3]], attributes);
  requireOutput(op, geometry, gradOutput);
  return geometry;
}

/** (x, gradOutput) → the gradients of weight and bias, in float32 whatever they are. */
export const depthwiseGradWeightProgram = defineProgram<DepthwiseGradWeightAttributes>({
  name: 'depthwiseConv2d.gradWeight',
  kernels: depthwiseGradWeightKernels,
  versions: depthwiseGradWeightVersions,
  infer([x, gradOutput], attributes) {
    requireSameType('depthwiseConv2d.gradWeight', [x, gradOutput]);
    const { kernel, outChannels } = gradWeightGeometry(x.shape, gradOutput.shape, attributes);
    return [f32([...kernel, outChannels]), f32([outChannels])];
  },
  plan: ([x, gradOutput], _outputs, attributes, target, version): Plan | null =>
    planDepthwiseGradWeight(gradWeightGeometry(x.shape, gradOutput.shape, attributes), storageOf(x), target, version),
  reference: ([x, gradOutput], attributes) =>
    referenceDepthwiseGradWeight(gradWeightGeometry(x.shape, gradOutput.shape, attributes), x, gradOutput),
  cost: ([x, gradOutput], _outputs, attributes) => ({
    flops: convolutionFlops(gradWeightGeometry(x.shape, gradOutput.shape, attributes)),
  }),
});
