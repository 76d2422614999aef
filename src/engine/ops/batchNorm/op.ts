/** The op of batch normalization: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { BatchNormAttributes } from './attributes.ts';
import { batchNormCases } from './cases.ts';
import { batchNormBackwardProgram, batchNormProgram } from './program.ts';

/**
 * Batch normalization of x [..., C] over all axes but the last, as torch.nn.BatchNorm2d (Ioffe and Szegedy 2015) on NHWC: inputs x,
 * weight, bias, runningMean, runningVar [C]. Training normalises with the batch's biased variance and updates the running
 * statistics in place, the variance unbiased; eval uses the running ones, which get no gradient.
 */
export const batchNorm = defineOp<BatchNormAttributes>({
  name: 'batchNorm',
  forward: batchNormProgram,
  programs: [batchNormBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1], outputs: [1, 2] },
    backward(context) {
      const { training } = context.attributes;
      const inputs = [context.gradOutput, context.input(0), context.input(1), context.output(1), context.output(2)];
      return [...context.run(batchNormBackwardProgram, inputs, { training }), null, null];
    },
  },
  cases: batchNormCases,
});
