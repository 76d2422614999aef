/** The programs of convolution: shapes, plans and cost. */
import type { Plan, PlanTarget, StorageFormat } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, type Shape } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { like, requireAddend, requireSameType, storageOf } from '../storage.ts';
import {
  CONVOLUTION_ATTRIBUTES,
  type ConvolutionAttributes,
  type GradInputAttributes,
  type GradWeightAttributes,
  type Pair,
} from './attributes.ts';
import { forwardGather, transposedGather } from './gather.ts';
import {
  gatherKernels,
  gatherVersions,
  gradWeightKernels,
  gradWeightVersions,
  planGather,
  planGradWeight,
} from './plan.ts';
import {
  convolutionFlops,
  type ConvolutionGeometry,
  convolutionGeometry,
  inputShape,
  outputShape,
  requireBias,
  weightShape,
} from './geometry.ts';
import { referenceForward, referenceGradInput, referenceGradWeight } from './reference.ts';

/** (x [N, H, W, C], weight [KH, KW, C / groups, out], bias [out]?) → [N, OH, OW, out]. */
export const conv2dProgram = defineProgram<ConvolutionAttributes>({
  name: 'conv2d',
  signature: {
    inputs: { x: 'activation', weight: 'activation', 'bias?': 'float32' },
    attributes: CONVOLUTION_ATTRIBUTES,
  },
  kernels: gatherKernels,
  versions: gatherVersions,
  infer([x, weight, bias], attributes) {
    const geometry = convolutionGeometry('conv2d', x.shape, weight.shape, attributes);
    requireBias('conv2d', bias, geometry.outChannels);
    requireSameType('conv2d', [x, weight]);
    return [like(x, outputShape(geometry))];
  },
  plan([x, weight, bias], _outputs, attributes, target, version): Plan | null {
    const geometry = convolutionGeometry('conv2d', x.shape, weight.shape, attributes);
    const storage = storageOf(x);
    const buffers = { storage, source: 'in0', weight: 'in1', bias: bias && 'in2', out: 'out0' } as const;
    return planGather(geometry, forwardGather, buffers, attributes.activation === 'relu', target, version);
  },
  reference: ([x, weight, bias], attributes) => [
    referenceForward(
      convolutionGeometry('conv2d', x.shape, weight.shape, attributes),
      x.data,
      weight.data,
      bias?.data,
      attributes.activation === 'relu',
    ),
  ],
  cost: ([x, weight], _outputs, attributes) => ({
    flops: convolutionFlops(convolutionGeometry('conv2d', x.shape, weight.shape, attributes)),
  }),
});

/** The geometry of the convolution whose output is `from` and whose input is of `size`. Throws where no such one exists. */
export function transposedGeometry(
  op: string,
  from: { readonly shape: Shape },
  weight: { readonly shape: Shape },
  size: Pair,
  attributes: ConvolutionAttributes,
): ConvolutionGeometry {
  requireShape(
    from.shape.length === 4 && weight.shape.length === 4,
    op,
    `shapes ${formatShape(from.shape)} and ${formatShape(weight.shape)} must have four axes each`,
  );
  const groups = attributes.groups ?? 1;
  const input = [from.shape[0], ...size, weight.shape[2] * groups];
  const geometry = convolutionGeometry(op, input, weight.shape, attributes);
  requireShape(
    sameShape(outputShape(geometry), from.shape),
    op,
    `${formatShape(from.shape)} is not what a convolution of ${formatShape(input)} with ${formatShape(weight.shape)} gives, ` +
      `which is ${formatShape(outputShape(geometry))}`,
  );
  return geometry;
}

/** Plans a transposed convolution from in0 with the weights in1 to out0, with the bias or what is added at the end where in2 is one. */
export function planTransposed(
  geometry: ConvolutionGeometry,
  storage: StorageFormat,
  in2: 'bias' | 'addend' | undefined,
  relu: boolean,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  const buffers = { storage, source: 'in0', weight: 'in1', ...(in2 && { [in2]: 'in2' }), out: 'out0' } as const;
  return planGather(geometry, transposedGather, buffers, relu, target, version);
}

/** (gradOutput, weight, addend?) → gradInput, plus what is to be added to it. */
export const gradInputProgram = defineProgram<GradInputAttributes>({
  name: 'conv2d.gradInput',
  kernels: gatherKernels,
  versions: gatherVersions,
  infer([gradOutput, weight, addend], attributes) {
    const op = 'conv2d.gradInput';
    const shape = inputShape(transposedGeometry(op, gradOutput, weight, attributes.inputSize, attributes));
    requireSameType(op, [gradOutput, weight]);
    requireAddend(op, addend, like(gradOutput, shape));
    return [like(gradOutput, shape)];
  },
  plan: ([gradOutput, weight, addend], _outputs, attributes, target, version) =>
    planTransposed(
      transposedGeometry('conv2d.gradInput', gradOutput, weight, attributes.inputSize, attributes),
      storageOf(gradOutput),
      addend && 'addend',
      false,
      target,
      version,
    ),
  reference: ([gradOutput, weight, addend], attributes, [out]) => [
    referenceGradInput(
      convolutionGeometry('conv2d.gradInput', out.shape, weight.shape, attributes),
      gradOutput.data,
      weight.data,
      addend?.data,
    ),
  ],
  cost: ([, weight], [out], attributes) => ({
    flops: convolutionFlops(convolutionGeometry('conv2d.gradInput', out.shape, weight.shape, attributes)),
  }),
});

function gradWeightGeometry(
  x: { shape: readonly number[] },
  gradOutput: { shape: readonly number[] },
  attributes: GradWeightAttributes,
): ConvolutionGeometry {
  const name = 'conv2d.gradWeight';
  requireShape(
    x.shape.length === 4 && gradOutput.shape.length === 4,
    name,
    `shapes ${formatShape(x.shape)} and ${formatShape(gradOutput.shape)} must have four axes each`,
  );
  const weight = [...attributes.kernel, x.shape[3] / (attributes.groups ?? 1), gradOutput.shape[3]];
  const geometry = convolutionGeometry(name, x.shape, weight, attributes);
  requireShape(
    sameShape(outputShape(geometry), gradOutput.shape),
    name,
    `a gradient of shape ${formatShape(gradOutput.shape)} for an output of ${formatShape(outputShape(geometry))}`,
  );
  return geometry;
}

/** (x, gradOutput) → gradWeight, in float32 whatever they are. */
export const gradWeightProgram = defineProgram<GradWeightAttributes>({
  name: 'conv2d.gradWeight',
  kernels: gradWeightKernels,
  versions: gradWeightVersions,
  infer([x, gradOutput], attributes) {
    requireSameType('conv2d.gradWeight', [x, gradOutput]);
    return [f32(weightShape(gradWeightGeometry(x, gradOutput, attributes)))];
  },
  plan: ([x, gradOutput], _outputs, attributes, target, version) =>
    planGradWeight(gradWeightGeometry(x, gradOutput, attributes), storageOf(x), target, version),
  reference: ([x, gradOutput], attributes) => [
    referenceGradWeight(gradWeightGeometry(x, gradOutput, attributes), x.data, gradOutput.data),
  ],
  cost: ([x, gradOutput], _outputs, attributes) => ({
    flops: convolutionFlops(gradWeightGeometry(x, gradOutput, attributes)),
  }),
});
