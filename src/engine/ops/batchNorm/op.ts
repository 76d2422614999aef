/** The op of batch normalization: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { BatchNormAttributes } from './attributes.ts';
import { batchNormCases } from './cases.ts';
import { batchNormBackwardProgram, batchNormProgram, RESIDUAL } from './program.ts';

/**
 * Batch normalization of x [..., C] over all axes but the last, as torch.nn.BatchNorm2d (Ioffe and Szegedy 2015) on NHWC: inputs x,
 * weight, bias, runningMean, runningVar [C], batches (a scalar that counts), residual [..., C], which is added to the result before the
 * activation. Training normalizes with the batch's biased variance and updates the running statistics in place, the variance unbiased; eval
 * uses the running ones, which get no gradient. Backward masks the gradient by the result itself, which the next layer keeps anyway.
 */
export const batchNorm = defineOp<BatchNormAttributes>({
  name: 'batchNorm',
  forward: batchNormProgram,
  programs: [batchNormBackwardProgram],
  gradient: {
    saves: ({ activation }) => ({ inputs: [0, 1], outputs: activation === 'relu' ? [0, 1, 2] : [1, 2] }),
    backward(context) {
      const { training, activation = 'none' } = context.attributes;
      const { gradOutput } = context;
      const residual = context.inputSpecs.length > RESIDUAL && context.needs(RESIDUAL);
      const inputs = [gradOutput, context.input(0), context.input(1), context.output(1), context.output(2)];
      if (activation === 'none') {
        return [...context.run(batchNormBackwardProgram, inputs, { training }), null, null, null, gradOutput];
      }
      const [gradX, gradWeight, gradBias, gradResidual = null] = context.run(
        batchNormBackwardProgram,
        [...inputs, context.output(0)],
        residual ? { training, residual } : { training },
      );
      return [gradX, gradWeight, gradBias, null, null, null, gradResidual];
    },
  },
  cases: batchNormCases,
});
