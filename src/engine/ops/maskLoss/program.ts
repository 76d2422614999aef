/** The programs of the joint loss of masks: shapes, plans and cost. */
import { foldGrid, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { optional, versionedGrid } from '../loss/plan.ts';
import { planSum, sumKernels } from '../reduce/plan.ts';
import { tverskyFactors } from '../softDice/attributes.ts';
import type { MaskLossAttributes } from './attributes.ts';
import { referenceMaskLoss, referenceMaskLossBackward } from './reference.ts';

const partialKernel = kernel('maskLoss/partial');
const backwardKernel = kernel('maskLoss/backward');

const finishKernel = kernel('maskLoss/finish');

const VERSIONS = ['scalar', 'vec4'] as const;

/** Rows of partial sums that the finishing workgroup adds up itself; more are summed by passes of their own first. */
const MOST_ROWS = 64;

function gridOf({ shape }: TensorSpec, threads: number, version: string | undefined) {
  const channels = shape[shape.length - 1];
  const grid = versionedGrid(shape[0], sizeOf(shape) / shape[0], channels, threads, version);
  return grid && { ...grid, samples: shape[0], channels };
}

const partialThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 512 : 32_768);
const backwardThreads = (target: PlanTarget): number => (target.deviceClass === 'software' ? 1024 : 131_072);

/**
 * (logits [N, ..., C], targets of that shape, posWeight? [C]) → bceWeight * BCE + diceWeight * Dice [], BCE [], Dice [], and for backward the
 * coefficients [N, C, 2] of Dice.
 */
export const maskLossProgram = defineProgram<MaskLossAttributes>({
  name: 'maskLoss',
  signature: {
    inputs: { logits: 'float32', targets: 'target', 'posWeight?': 'float32' },
    attributes: {
      bceWeight: 'number',
      diceWeight: 'number',
      smooth: 'number?',
      perSample: 'flag?',
      ignoreEmptyClasses: 'flag?',
      flattenClasses: 'flag?',
      alpha: 'number?',
      beta: 'number?',
    },
  },
  kernels: [partialKernel, finishKernel, ...sumKernels],
  versions: VERSIONS,
  infer([logits, targets, posWeight], { smooth = 0, alpha = 0.5, beta = 0.5 }) {
    const { shape } = logits;
    const op = 'maskLoss';
    requireShape(shape.length >= 2, op, `logits must be [N, ..., C], not ${formatShape(shape)}`);
    requireShape(
      sameShape(shape, targets.shape),
      op,
      `targets of ${formatShape(targets.shape)} for logits of ${formatShape(shape)}`,
    );
    const channels = shape[shape.length - 1];
    requireShape(
      posWeight === undefined || sameShape(posWeight.shape, [channels]),
      op,
      `positive weights of ${formatShape(posWeight?.shape ?? [])} for ${channels} channels`,
    );
    requireShape(
      smooth >= 0 && alpha >= 0 && beta >= 0,
      op,
      `smooth, alpha and beta must not be negative, but are ${smooth}, ${alpha} and ${beta}`,
    );
    return [f32([]), f32([]), f32([]), f32([shape[0], channels, 2])];
  },
  plan([logits, , posWeight], _outputs, attributes, target, version) {
    const grid = gridOf(logits, partialThreads(target), version);
    if (!grid) return null;
    const { vector, samples, perSample, channels, threads, groups, workgroups } = grid;
    const { smooth = 0, perSample: bySample = true, ignoreEmptyClasses = false, flattenClasses = false } = attributes;
    const entries = vector ? threads * 4 : threads;
    let rows = entries / channels;
    const scratch = [4 * samples * entries * 4];
    const sums = [];
    if (rows > MOST_ROWS) {
      scratch.push(4 * samples * channels * 4);
      const stage = { outer: 4 * samples, extent: rows, inner: channels };
      sums.push(...planSum('tmp0', 'tmp1', [stage], 1, target, undefined, scratch));
      rows = 1;
    }
    const weighted = posWeight !== undefined;
    return {
      scratch,
      dispatches: [
        {
          kernel: partialKernel,
          width: vector ? 4 : 1,
          buffers: {
            logits: 'in0',
            targets: 'in1',
            positiveWeights: optional(weighted, 'in2', 'in0'),
            partials: 'tmp0',
          },
          uniforms: { samples, perSample, channels, threads, groups },
          overrides: { HAS_POSITIVE_WEIGHTS: weighted ? 1 : 0 },
          workgroups: foldGrid(workgroups),
        },
        ...sums,
        {
          kernel: finishKernel,
          buffers: {
            sums: sums.length > 0 ? 'tmp1' : 'tmp0',
            loss: 'out0',
            bce: 'out1',
            dice: 'out2',
            coefficients: 'out3',
          },
          uniforms: {
            samples,
            channels,
            rows,
            perSample: bySample ? 1 : 0,
            flatten: flattenClasses ? 1 : 0,
            ignoreEmpty: ignoreEmptyClasses ? 1 : 0,
            smoothing: smooth,
            ...tverskyFactors(attributes),
            count: sizeOf(logits.shape),
            bceWeight: attributes.bceWeight,
            diceWeight: attributes.diceWeight,
          },
          workgroups: [1, 1, 1],
        },
      ],
    };
  },
  reference: referenceMaskLoss,
  cost: ([logits]) => ({ flops: 18 * sizeOf(logits.shape) }),
});

/** (gradOutput, logits, targets, coefficients, posWeight?) → gradLogits. */
export const maskLossBackwardProgram = defineProgram<MaskLossAttributes>({
  name: 'maskLoss.backward',
  kernels: [backwardKernel],
  versions: VERSIONS,
  infer: ([, logits]) => [f32(logits.shape)],
  plan([, logits, , , posWeight], _outputs, { bceWeight }, target, version) {
    const grid = gridOf(logits, backwardThreads(target), version);
    if (!grid) return null;
    const { vector, samples, perSample, channels, threads, groups, workgroups } = grid;
    const weighted = posWeight !== undefined;
    return {
      dispatches: [
        {
          kernel: backwardKernel,
          width: vector ? 4 : 1,
          buffers: {
            gradOutput: 'in0',
            logits: 'in1',
            targets: 'in2',
            positiveWeights: optional(weighted, 'in4', 'in0'),
            coefficients: 'in3',
            gradLogits: 'out0',
          },
          uniforms: { samples, perSample, channels, threads, groups, factor: bceWeight / sizeOf(logits.shape) },
          overrides: { HAS_POSITIVE_WEIGHTS: weighted ? 1 : 0 },
          workgroups: foldGrid(workgroups),
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceMaskLossBackward(inputs, attributes)],
  cost: ([, logits]) => ({ flops: 16 * sizeOf(logits.shape) }),
});
