/** The ops of pooling: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { AvgPoolAttributes, MaxPoolAttributes } from './attributes.ts';
import { avgPoolCases, maxPoolCases } from './cases.ts';
import { avgPoolBackwardProgram, avgPoolProgram, maxPoolBackwardProgram, maxPoolProgram } from './program.ts';

/**
 * Maximum over windows of an NHWC map, as torch.nn.functional.max_pool2d without ceil_mode. Among equals the first (row by row)
 * wins and gets the gradient.
 */
export const maxPool2d = defineOp<MaxPoolAttributes>({
  name: 'maxPool2d',
  forward: maxPoolProgram,
  programs: [maxPoolBackwardProgram],
  gradient: {
    saves: { outputs: [1] },
    backward(context) {
      // Of a map that a decoder reads too: what came back that way is added on the way.
      const addend = context.takePending(0);
      return context.run(maxPoolBackwardProgram, [context.gradOutput, context.output(1), ...(addend ? [addend] : [])], {
        ...context.attributes,
        inputShape: context.inputSpecs[0].shape,
      });
    },
  },
  cases: maxPoolCases,
});

/**
 * Mean over windows of an NHWC map, as torch.nn.functional.avg_pool2d without ceil_mode. Pooling over the whole map is `mean`
 * over axes 1 and 2.
 */
export const avgPool2d = defineOp<AvgPoolAttributes>({
  name: 'avgPool2d',
  forward: avgPoolProgram,
  programs: [avgPoolBackwardProgram],
  gradient: {
    saves: {},
    backward: (context) =>
      context.run(avgPoolBackwardProgram, [context.gradOutput], {
        ...context.attributes,
        inputShape: context.inputSpecs[0].shape,
      }),
  },
  cases: avgPoolCases,
});
