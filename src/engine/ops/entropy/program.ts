/** The programs of the entropy of softmax: shapes, plans and cost. */
import { gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { finishKernel, optional, planLoss, rowLossWorkgroups } from '../loss/plan.ts';
import { referenceEntropy, referenceEntropyBackward } from './reference.ts';

const forwardKernel = kernel('entropy/forward');

const backwardKernel = kernel('entropy/backward');

const columnsOf = (logits: TensorSpec): number => logits.shape[logits.shape.length - 1];
const rowsOf = (logits: TensorSpec): number => sizeOf(logits.shape) / columnsOf(logits);

/** (logits [..., C], sampleWeights? [...]) → loss [], factor [] for backward. */
export const entropyProgram = defineProgram<NoAttributes>({
  name: 'entropy',
  signature: { inputs: { logits: 'float32', 'sampleWeights?': 'float32' }, attributes: {} },
  kernels: [forwardKernel, finishKernel],
  infer([logits, sampleWeights]) {
    requireShape(logits.shape.length > 0, 'entropy', 'logits need a last axis of classes');
    requireShape(
      sampleWeights === undefined || sameShape(sampleWeights.shape, logits.shape.slice(0, -1)),
      'entropy',
      `sample weights of ${formatShape(sampleWeights?.shape ?? [])} for logits of ${formatShape(logits.shape)}`,
    );
    return [f32([]), f32([])];
  },
  plan([logits, sampleWeights], _outputs, _attributes, target) {
    const workgroups = rowLossWorkgroups(rowsOf(logits), target);
    const weighted = sampleWeights !== undefined;
    return planLoss(
      {
        kernel: forwardKernel,
        buffers: { logits: 'in0', sampleWeights: optional(weighted, 'in1', 'in0') },
        uniforms: { rows: rowsOf(logits), columns: columnsOf(logits), stride: workgroups * 64 },
        overrides: { HAS_SAMPLE_WEIGHTS: weighted ? 1 : 0 },
      },
      workgroups,
      'mean',
    );
  },
  reference: ([logits, sampleWeights]) => referenceEntropy(logits, sampleWeights),
  cost: ([logits]) => ({ flops: 6 * sizeOf(logits.shape) }),
});

/** (gradOutput, logits, factor, sampleWeights?) → gradLogits. */
export const entropyBackwardProgram = defineProgram<NoAttributes>({
  name: 'entropy.backward',
  kernels: [backwardKernel],
  infer: ([, logits]) => [f32(logits.shape)],
  plan([, logits, , sampleWeights]) {
    const weighted = sampleWeights !== undefined;
    return {
      dispatches: [
        {
          kernel: backwardKernel,
          buffers: {
            gradOutput: 'in0',
            logits: 'in1',
            sampleWeights: optional(weighted, 'in3', 'in1'),
            factor: 'in2',
            gradLogits: 'out0',
          },
          uniforms: { rows: rowsOf(logits), columns: columnsOf(logits) },
          overrides: { HAS_SAMPLE_WEIGHTS: weighted ? 1 : 0 },
          workgroups: gridFor(rowsOf(logits), 64),
        },
      ],
    };
  },
  reference: (inputs) => [referenceEntropyBackward(inputs)],
  cost: ([, logits]) => ({ flops: 9 * sizeOf(logits.shape) }),
});
