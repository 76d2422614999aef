import { foldGrid, type KernelDefinition, type PlanTarget } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineKernel, defineProgram } from '../definition.ts';
import { optional, type SampleGrid, versionedGrid } from '../loss/plan.ts';
import { planSum, sumKernel, sumVec4Kernel } from '../reduce/plan.ts';
import { referenceSoftDice, referenceSoftDiceBackward } from './reference.ts';

export interface SoftDiceAttributes {
  /** Added to numerator and denominator. Default 0; 1e-5 in the per-sample Dice of the multitask baseline. */
  readonly smooth?: number;
  /** true (default): Dice of each class of each sample, then the mean. false: sums over the whole batch, as segmentation_models.pytorch. */
  readonly perSample?: boolean;
  /** Whether the first input holds logits (default) or probabilities. */
  readonly fromLogits?: boolean;
  /** Whether the denominator adds squares (V-Net, Milletari 2016). Default false. */
  readonly squaredDenominator?: boolean;
  /** Whether a class without positives (in the sample, or in the batch) gives loss 0, still counted in the mean. Default false. */
  readonly ignoreEmptyClasses?: boolean;
}

const partialDefinition = (name: string, type: 'f32' | 'vec4f'): KernelDefinition => ({
  name,
  bindings: [
    { name: 'x', access: 'read', type },
    { name: 'targets', access: 'read', type },
    { name: 'partials', access: 'read_write', type },
  ],
  uniforms: { samples: 'u32', perSample: 'u32', threads: 'u32', groups: 'u32' },
  overrides: ['FROM_LOGITS', 'SQUARED'],
});

const backwardDefinition = (name: string, type: 'f32' | 'vec4f'): KernelDefinition => ({
  name,
  bindings: [
    { name: 'gradOutput', access: 'read', type: 'f32' },
    { name: 'x', access: 'read', type },
    { name: 'targets', access: 'read', type },
    { name: 'coefficients', access: 'read', type: 'vec2f' },
    { name: 'gradX', access: 'read_write', type },
  ],
  uniforms: { samples: 'u32', perSample: 'u32', channels: 'u32', threads: 'u32', groups: 'u32' },
  overrides: ['FROM_LOGITS', 'SQUARED'],
});

const partialKernel = defineKernel(partialDefinition('softDice/partial', 'f32'));
const partialVec4Kernel = defineKernel(partialDefinition('softDice/partialVec4', 'vec4f'));
const backwardKernel = defineKernel(backwardDefinition('softDice/backward', 'f32'));
const backwardVec4Kernel = defineKernel(backwardDefinition('softDice/backwardVec4', 'vec4f'));

const finishKernel = defineKernel({
  name: 'softDice/finish',
  bindings: [
    { name: 'sums', access: 'read', type: 'f32' },
    { name: 'sampleWeights', access: 'read', type: 'f32' },
    { name: 'loss', access: 'read_write', type: 'f32' },
    { name: 'coefficients', access: 'read_write', type: 'vec2f' },
  ],
  uniforms: { samples: 'u32', channels: 'u32', rows: 'u32', smoothing: 'f32', perSample: 'u32', ignoreEmpty: 'u32' },
  overrides: ['HAS_SAMPLE_WEIGHTS'],
});

const VERSIONS = ['scalar', 'vec4'] as const;

/** Rows of partial sums that the finishing workgroup adds up itself; more are summed by passes of their own first. */
const MOST_ROWS = 64;

const channelsOf = ({ shape }: TensorSpec): number => shape[shape.length - 1];

function gridOf(x: TensorSpec, threads: number, version: string | undefined): SampleGrid | null {
  return versionedGrid(x.shape[0], sizeOf(x.shape) / x.shape[0], channelsOf(x), threads, version);
}

const overridesOf = ({ fromLogits = true, squaredDenominator = false }: SoftDiceAttributes) => ({
  FROM_LOGITS: fromLogits ? 1 : 0,
  SQUARED: squaredDenominator ? 1 : 0,
});

const partialThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 512 : 32_768);
const backwardThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 1024 : 131_072);

/** (x [N, ..., C], targets of that shape, sampleWeights? [N]) → loss [], coefficients [N, C, 2] for backward. */
export const softDiceProgram = defineProgram<SoftDiceAttributes>({
  name: 'softDice',
  kernels: [partialKernel, partialVec4Kernel, finishKernel, sumKernel, sumVec4Kernel],
  versions: VERSIONS,
  infer([x, targets, sampleWeights], { smooth = 0 }) {
    requireShape(x.shape.length >= 2, 'softDice', `predictions must be [N, ..., C], not ${formatShape(x.shape)}`);
    requireShape(
      sameShape(x.shape, targets.shape),
      'softDice',
      `targets of ${formatShape(targets.shape)} for predictions of ${formatShape(x.shape)}`,
    );
    requireShape(
      sampleWeights === undefined || sameShape(sampleWeights.shape, [x.shape[0]]),
      'softDice',
      `sample weights of ${formatShape(sampleWeights?.shape ?? [])} for a batch of ${x.shape[0]}`,
    );
    requireShape(smooth >= 0, 'softDice', `smooth must not be negative, but is ${smooth}`);
    return [f32([]), f32([x.shape[0], channelsOf(x), 2])];
  },
  plan([x, , sampleWeights], _outputs, attributes, target, version) {
    const grid = gridOf(x, partialThreads(target), version);
    if (!grid) return null;
    const { vector, perSample, threads, groups, workgroups } = grid;
    const { smooth = 0, perSample: bySample = true, ignoreEmptyClasses = false } = attributes;
    const samples = x.shape[0];
    const channels = channelsOf(x);
    const entries = vector ? threads * 4 : threads;
    let rows = entries / channels;
    const scratch = [3 * samples * entries * 4];
    const sums = [];
    if (rows > MOST_ROWS) {
      scratch.push(3 * samples * channels * 4);
      sums.push(
        ...planSum(
          'tmp0',
          'tmp1',
          [{ outer: 3 * samples, extent: rows, inner: channels }],
          1,
          target,
          undefined,
          scratch,
        ),
      );
      rows = 1;
    }
    const weighted = sampleWeights !== undefined;
    return {
      scratch,
      dispatches: [
        {
          kernel: vector ? partialVec4Kernel : partialKernel,
          buffers: { x: 'in0', targets: 'in1', partials: 'tmp0' },
          uniforms: { samples, perSample, threads, groups },
          overrides: overridesOf(attributes),
          workgroups: foldGrid(workgroups),
        },
        ...sums,
        {
          kernel: finishKernel,
          buffers: {
            sums: sums.length > 0 ? 'tmp1' : 'tmp0',
            sampleWeights: optional(weighted, 'in2', 'in0'),
            loss: 'out0',
            coefficients: 'out1',
          },
          uniforms: {
            samples,
            channels,
            rows,
            smoothing: smooth,
            perSample: bySample ? 1 : 0,
            ignoreEmpty: ignoreEmptyClasses ? 1 : 0,
          },
          overrides: { HAS_SAMPLE_WEIGHTS: weighted ? 1 : 0 },
          workgroups: [1, 1, 1],
        },
      ],
    };
  },
  reference: (inputs, attributes) => referenceSoftDice(inputs, attributes),
  cost: ([x]) => ({ flops: 9 * sizeOf(x.shape) }),
});

/** (gradOutput, x, targets, coefficients) → gradX. */
export const softDiceBackwardProgram = defineProgram<SoftDiceAttributes>({
  name: 'softDice.backward',
  kernels: [backwardKernel, backwardVec4Kernel],
  versions: VERSIONS,
  infer: ([, x]) => [f32(x.shape)],
  plan([, x], _outputs, attributes, target, version) {
    const grid = gridOf(x, backwardThreads(target), version);
    if (!grid) return null;
    const { vector, perSample, threads, groups, workgroups } = grid;
    return {
      dispatches: [
        {
          kernel: vector ? backwardVec4Kernel : backwardKernel,
          buffers: { gradOutput: 'in0', x: 'in1', targets: 'in2', coefficients: 'in3', gradX: 'out0' },
          uniforms: { samples: x.shape[0], perSample, channels: channelsOf(x), threads, groups },
          overrides: overridesOf(attributes),
          workgroups: foldGrid(workgroups),
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceSoftDiceBackward(inputs, attributes)],
  cost: ([, x]) => ({ flops: 11 * sizeOf(x.shape) }),
});
