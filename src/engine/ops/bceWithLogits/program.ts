/** The programs of binary cross entropy: shapes, plans and cost. */
import { type BufferReference, type Dispatch, foldGrid, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import {
  finishKernel,
  finishSamplesKernel,
  planLoss,
  planSampleLosses,
  REDUCTION_CODES,
  type SampleGrid,
  versionedGrid,
} from '../loss/plan.ts';
import type { BceAttributes } from './attributes.ts';
import { referenceBce, referenceBceBackward } from './reference.ts';

const forwardKernel = kernel('bceWithLogits/forward');
const backwardKernel = kernel('bceWithLogits/backward');

const VERSIONS = ['scalar', 'vec4'] as const;

function check(
  logits: TensorSpec,
  targets: TensorSpec,
  optionals: readonly TensorSpec[],
  attributes: BceAttributes,
): void {
  const op = 'bceWithLogits';
  const { posWeight = false, sampleWeights = false, reduction = 'mean', gamma = 0, alpha = null } = attributes;
  requireShape(logits.shape.length > 0, op, 'logits must have at least one axis');
  requireShape(
    sameShape(logits.shape, targets.shape),
    op,
    `targets of ${formatShape(targets.shape)} for logits of ${formatShape(logits.shape)}`,
  );
  requireShape(
    !(sampleWeights && reduction === 'sample'),
    op,
    "reduction 'sample' takes no sample weights: multiply its result by them",
  );
  requireShape(gamma >= 0, op, `a focal gamma of ${gamma} is negative`);
  requireShape(alpha === null || (alpha >= 0 && alpha <= 1), op, `a focal alpha of ${alpha} is outside [0, 1]`);
  const expected: Shape[] = [];
  if (posWeight) expected.push([logits.shape[logits.shape.length - 1]]);
  if (sampleWeights) expected.push([logits.shape[0]]);
  const given = optionals.map((spec) => spec.shape);
  requireShape(
    given.length === expected.length && given.every((shape, index) => sameShape(shape, expected[index])),
    op,
    `posWeight ${posWeight}, sampleWeights ${sampleWeights} ask for further inputs ${expected.map(formatShape).join(' ')}, not ${given.map(formatShape).join(' ')}`,
  );
}

/** Where nothing depends on where samples end, the batch is one long sample. */
function gridOf(
  { shape }: TensorSpec,
  { sampleWeights = false, reduction }: BceAttributes,
  threads: number,
  version: string | undefined,
): (SampleGrid & { readonly samples: number }) | null {
  const samples = sampleWeights || reduction === 'sample' ? shape[0] : 1;
  const grid = versionedGrid(samples, sizeOf(shape) / samples, shape[shape.length - 1], threads, version);
  return grid && { ...grid, samples };
}

/** The buffers of the optional inputs from input `first` on; any readable f32 buffer stands in for those that are not there. */
function optionalBuffers({ posWeight, sampleWeights }: BceAttributes, first: number): Record<string, BufferReference> {
  return {
    positiveWeights: posWeight ? `in${first}` : 'in0',
    sampleWeights: sampleWeights ? `in${first + (posWeight ? 1 : 0)}` : 'in0',
  };
}

const isFocal = ({ gamma = 0, alpha = null }: BceAttributes): boolean => gamma > 0 || alpha !== null;

const focalUniforms = ({ gamma = 0, alpha = null }: BceAttributes) => ({
  gamma,
  alphaPositive: alpha ?? 1,
  alphaNegative: alpha === null ? 1 : 1 - alpha,
});

const overridesOf = (attributes: BceAttributes) => ({
  HAS_POSITIVE_WEIGHTS: attributes.posWeight ? 1 : 0,
  HAS_SAMPLE_WEIGHTS: attributes.sampleWeights ? 1 : 0,
  FOCAL: isFocal(attributes) ? 1 : 0,
});

const forwardThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 512 : 32_768);
const backwardThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 1024 : 131_072);

/** (logits [N, ..., C], targets of that shape, posWeight? [C], sampleWeights? [N]) → loss [] ([N] with 'sample'), factor [] for backward. */
export const bceWithLogitsProgram = defineProgram<BceAttributes>({
  name: 'bceWithLogits',
  signature: {
    inputs: { logits: 'float32', targets: 'target', 'posWeight?': 'float32', 'sampleWeights?': 'float32' },
    attributes: {
      posWeight: 'flag?',
      sampleWeights: 'flag?',
      reduction: ['mean', 'sum', 'sample'],
      gamma: 'number?',
      alpha: 'numberOrNull?',
    },
  },
  kernels: [forwardKernel, finishKernel, finishSamplesKernel],
  versions: VERSIONS,
  infer([logits, targets, ...optionals], attributes) {
    check(logits, targets, optionals, attributes);
    return [f32(attributes.reduction === 'sample' ? [logits.shape[0]] : []), f32([])];
  },
  plan([logits], _outputs, attributes, target, version) {
    const grid = gridOf(logits, attributes, forwardThreads(target), version);
    if (!grid) return null;
    const { samples, perSample, threads, groups, workgroups } = grid;
    const { reduction = 'mean' } = attributes;
    const first: Omit<Dispatch, 'workgroups'> = {
      kernel: forwardKernel,
      width: grid.vector ? 4 : 1,
      buffers: { logits: 'in0', targets: 'in1', ...optionalBuffers(attributes, 2) },
      uniforms: {
        samples,
        perSample,
        channels: logits.shape[logits.shape.length - 1],
        threads,
        groups,
        partialCount: workgroups,
        reduction: REDUCTION_CODES[reduction === 'sample' ? 'mean' : reduction],
        ...focalUniforms(attributes),
      },
      overrides: overridesOf(attributes),
    };
    return reduction === 'sample' ? planSampleLosses(first, samples, groups) : planLoss(first, workgroups, reduction);
  },
  reference: (inputs, attributes) => referenceBce(inputs, attributes),
  cost: ([logits]) => ({ flops: 10 * sizeOf(logits.shape) }),
});

/** (gradOutput, logits, targets, factor, posWeight?, sampleWeights?) → gradLogits. */
export const bceWithLogitsBackwardProgram = defineProgram<BceAttributes>({
  name: 'bceWithLogits.backward',
  kernels: [backwardKernel],
  versions: VERSIONS,
  infer: ([, logits]) => [f32(logits.shape)],
  plan([, logits], _outputs, attributes, target, version) {
    const grid = gridOf(logits, attributes, backwardThreads(target), version);
    if (!grid) return null;
    const { samples, perSample, threads, groups, workgroups } = grid;
    return {
      dispatches: [
        {
          kernel: backwardKernel,
          width: grid.vector ? 4 : 1,
          buffers: {
            gradOutput: 'in0',
            logits: 'in1',
            targets: 'in2',
            factor: 'in3',
            ...optionalBuffers(attributes, 4),
            gradLogits: 'out0',
          },
          uniforms: {
            samples,
            perSample,
            channels: logits.shape[logits.shape.length - 1],
            threads,
            groups,
            gradStride: attributes.reduction === 'sample' ? 1 : 0,
            ...focalUniforms(attributes),
          },
          overrides: overridesOf(attributes),
          workgroups: foldGrid(workgroups),
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceBceBackward(inputs, attributes)],
  cost: ([, logits]) => ({ flops: 9 * sizeOf(logits.shape) }),
});
