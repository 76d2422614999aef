import { type BufferReference, foldGrid, type KernelDefinition, type PlanTarget } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineKernel, defineProgram } from '../definition.ts';
import { finishKernel, LOSS_OUTPUTS, planLoss, REDUCTION_CODES, type SampleGrid, versionedGrid } from '../loss/plan.ts';
import { referenceBce, referenceBceBackward } from './reference.ts';

export interface BceAttributes {
  /** Whether a vector [C] of weights of the positive targets follows the targets. Default false. */
  readonly posWeight?: boolean;
  /** Whether sample weights [N] are the last input. Default false. */
  readonly sampleWeights?: boolean;
  /** Default 'mean': over the elements of the weighed samples. */
  readonly reduction?: 'mean' | 'sum';
}

const forwardDefinition = (name: string, type: 'f32' | 'vec4f'): KernelDefinition => ({
  name,
  bindings: [
    { name: 'logits', access: 'read', type },
    { name: 'targets', access: 'read', type },
    { name: 'positiveWeights', access: 'read', type: 'f32' },
    { name: 'sampleWeights', access: 'read', type: 'f32' },
    ...LOSS_OUTPUTS,
  ],
  uniforms: {
    samples: 'u32',
    perSample: 'u32',
    channels: 'u32',
    threads: 'u32',
    groups: 'u32',
    partialCount: 'u32',
    reduction: 'u32',
  },
  overrides: ['HAS_POSITIVE_WEIGHTS', 'HAS_SAMPLE_WEIGHTS'],
});

const backwardDefinition = (name: string, type: 'f32' | 'vec4f'): KernelDefinition => ({
  name,
  bindings: [
    { name: 'gradOutput', access: 'read', type: 'f32' },
    { name: 'logits', access: 'read', type },
    { name: 'targets', access: 'read', type },
    { name: 'positiveWeights', access: 'read', type: 'f32' },
    { name: 'sampleWeights', access: 'read', type: 'f32' },
    { name: 'factor', access: 'read', type: 'f32' },
    { name: 'gradLogits', access: 'read_write', type },
  ],
  uniforms: { samples: 'u32', perSample: 'u32', channels: 'u32', threads: 'u32', groups: 'u32' },
  overrides: ['HAS_POSITIVE_WEIGHTS', 'HAS_SAMPLE_WEIGHTS'],
});

const forwardKernel = defineKernel(forwardDefinition('bceWithLogits/forward', 'f32'));
const forwardVec4Kernel = defineKernel(forwardDefinition('bceWithLogits/forwardVec4', 'vec4f'));
const backwardKernel = defineKernel(backwardDefinition('bceWithLogits/backward', 'f32'));
const backwardVec4Kernel = defineKernel(backwardDefinition('bceWithLogits/backwardVec4', 'vec4f'));

const VERSIONS = ['scalar', 'vec4'] as const;

function check(
  logits: TensorSpec,
  targets: TensorSpec,
  optionals: readonly TensorSpec[],
  attributes: BceAttributes,
): void {
  const op = 'bceWithLogits';
  const { posWeight = false, sampleWeights = false } = attributes;
  requireShape(logits.shape.length > 0, op, 'logits must have at least one axis');
  requireShape(
    sameShape(logits.shape, targets.shape),
    op,
    `targets of ${formatShape(targets.shape)} for logits of ${formatShape(logits.shape)}`,
  );
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

/** Without sample weights the batch is one long sample: nothing depends on where samples end. */
function gridOf(
  { shape }: TensorSpec,
  { sampleWeights = false }: BceAttributes,
  threads: number,
  version: string | undefined,
): (SampleGrid & { readonly samples: number }) | null {
  const samples = sampleWeights ? shape[0] : 1;
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

const overridesOf = ({ posWeight, sampleWeights }: BceAttributes) => ({
  HAS_POSITIVE_WEIGHTS: posWeight ? 1 : 0,
  HAS_SAMPLE_WEIGHTS: sampleWeights ? 1 : 0,
});

const forwardThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 512 : 32_768);
const backwardThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 1024 : 131_072);

/** (logits [N, ..., C], targets of that shape, posWeight? [C], sampleWeights? [N]) → loss [], factor [] for backward. */
export const bceWithLogitsProgram = defineProgram<BceAttributes>({
  name: 'bceWithLogits',
  kernels: [forwardKernel, forwardVec4Kernel, finishKernel],
  versions: VERSIONS,
  infer([logits, targets, ...optionals], attributes) {
    check(logits, targets, optionals, attributes);
    return [f32([]), f32([])];
  },
  plan([logits], _outputs, attributes, target, version) {
    const grid = gridOf(logits, attributes, forwardThreads(target), version);
    if (!grid) return null;
    const { samples, perSample, threads, groups, workgroups } = grid;
    const { reduction = 'mean' } = attributes;
    return planLoss(
      {
        kernel: grid.vector ? forwardVec4Kernel : forwardKernel,
        buffers: { logits: 'in0', targets: 'in1', ...optionalBuffers(attributes, 2) },
        uniforms: {
          samples,
          perSample,
          channels: logits.shape[logits.shape.length - 1],
          threads,
          groups,
          partialCount: workgroups,
          reduction: REDUCTION_CODES[reduction],
        },
        overrides: overridesOf(attributes),
      },
      workgroups,
      reduction,
    );
  },
  reference: (inputs, attributes) => referenceBce(inputs, attributes),
  cost: ([logits]) => ({ flops: 10 * sizeOf(logits.shape) }),
});

/** (gradOutput, logits, targets, factor, posWeight?, sampleWeights?) → gradLogits. */
export const bceWithLogitsBackwardProgram = defineProgram<BceAttributes>({
  name: 'bceWithLogits.backward',
  kernels: [backwardKernel, backwardVec4Kernel],
  versions: VERSIONS,
  infer: ([, logits]) => [f32(logits.shape)],
  plan([, logits], _outputs, attributes, target, version) {
    const grid = gridOf(logits, attributes, backwardThreads(target), version);
    if (!grid) return null;
    const { samples, perSample, threads, groups, workgroups } = grid;
    return {
      dispatches: [
        {
          kernel: grid.vector ? backwardVec4Kernel : backwardKernel,
          buffers: {
            gradOutput: 'in0',
            logits: 'in1',
            targets: 'in2',
            factor: 'in3',
            ...optionalBuffers(attributes, 4),
            gradLogits: 'out0',
          },
          uniforms: { samples, perSample, channels: logits.shape[logits.shape.length - 1], threads, groups },
          overrides: overridesOf(attributes),
          workgroups: foldGrid(workgroups),
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceBceBackward(inputs, attributes)],
  cost: ([, logits]) => ({ flops: 9 * sizeOf(logits.shape) }),
});
