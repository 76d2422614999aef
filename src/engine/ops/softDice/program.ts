/** The programs of the soft Dice loss: shapes, plans and cost. */
import { foldGrid, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { optional, type SampleGrid, versionedGrid } from '../loss/plan.ts';
import { planSum, sumKernels } from '../reduce/plan.ts';
import { type SoftDiceAttributes, tverskyFactors } from './attributes.ts';
import { referenceSoftDice, referenceSoftDiceBackward } from './reference.ts';

const partialKernel = kernel('softDice/partial');
const backwardKernel = kernel('softDice/backward');

const finishKernel = kernel('softDice/finish');

const VERSIONS = ['scalar', 'vec4'] as const;

/** Rows of partial sums that the finishing workgroup adds up itself; more are summed by passes of their own first. */
const MOST_ROWS = 64;

/** Classes that have sums of their own. */
const channelsOf = ({ shape }: TensorSpec, { flattenClasses = false }: SoftDiceAttributes): number =>
  flattenClasses ? 1 : shape[shape.length - 1];

function gridOf(
  x: TensorSpec,
  attributes: SoftDiceAttributes,
  threads: number,
  version: string | undefined,
): SampleGrid | null {
  return versionedGrid(x.shape[0], sizeOf(x.shape) / x.shape[0], channelsOf(x, attributes), threads, version);
}

const overridesOf = ({ fromLogits = true, squaredDenominator = false }: SoftDiceAttributes) => ({
  FROM_LOGITS: fromLogits ? 1 : 0,
  SQUARED: squaredDenominator ? 1 : 0,
});

const partialThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 512 : 32_768);
const backwardThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 1024 : 131_072);

/**
 * (x [N, ..., C], targets of that shape, sampleWeights? [N]) → loss [] ([N, C] with reduction 'none'), coefficients [N, C, 2] for backward; C is 1
 * with flattenClasses.
 */
export const softDiceProgram = defineProgram<SoftDiceAttributes>({
  name: 'softDice',
  signature: {
    inputs: { x: 'float32', targets: 'target', 'sampleWeights?': 'float32' },
    attributes: {
      smooth: 'number?',
      perSample: 'flag?',
      fromLogits: 'flag?',
      squaredDenominator: 'flag?',
      ignoreEmptyClasses: 'flag?',
      flattenClasses: 'flag?',
      alpha: 'number?',
      beta: 'number?',
      reduction: ['mean', 'none'],
    },
  },
  kernels: [partialKernel, finishKernel, ...sumKernels],
  versions: VERSIONS,
  infer([x, targets, sampleWeights], attributes) {
    const { smooth = 0, perSample = true, alpha = 0.5, beta = 0.5, reduction = 'mean' } = attributes;
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
    requireShape(
      alpha >= 0 && beta >= 0,
      'softDice',
      `Tversky weights must not be negative, but are ${alpha} and ${beta}`,
    );
    requireShape(
      reduction === 'mean' || (perSample && sampleWeights === undefined),
      'softDice',
      "reduction 'none' is for sums per sample without sample weights: multiply its result by them",
    );
    const groups = [x.shape[0], channelsOf(x, attributes)];
    return [f32(reduction === 'none' ? groups : []), f32([...groups, 2])];
  },
  plan([x, , sampleWeights], _outputs, attributes, target, version) {
    const grid = gridOf(x, attributes, partialThreads(target), version);
    if (!grid) return null;
    const { vector, perSample, threads, groups, workgroups } = grid;
    const { smooth = 0, perSample: bySample = true, ignoreEmptyClasses = false, reduction } = attributes;
    const samples = x.shape[0];
    const channels = channelsOf(x, attributes);
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
          kernel: partialKernel,
          width: vector ? 4 : 1,
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
            perGroup: reduction === 'none' ? 1 : 0,
            ...tverskyFactors(attributes),
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
  kernels: [backwardKernel],
  versions: VERSIONS,
  infer: ([, x]) => [f32(x.shape)],
  plan([, x], _outputs, attributes, target, version) {
    const grid = gridOf(x, attributes, backwardThreads(target), version);
    if (!grid) return null;
    const { vector, perSample, threads, groups, workgroups } = grid;
    return {
      dispatches: [
        {
          kernel: backwardKernel,
          width: vector ? 4 : 1,
          buffers: { gradOutput: 'in0', x: 'in1', targets: 'in2', coefficients: 'in3', gradX: 'out0' },
          uniforms: {
            samples: x.shape[0],
            perSample,
            channels: channelsOf(x, attributes),
            threads,
            groups,
            gradStride: attributes.reduction === 'none' ? 1 : 0,
          },
          overrides: overridesOf(attributes),
          workgroups: foldGrid(workgroups),
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceSoftDiceBackward(inputs, attributes)],
  cost: ([, x]) => ({ flops: 11 * sizeOf(x.shape) }),
});
