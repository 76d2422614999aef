/** The op of the CORN loss: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { CornAttributes } from './attributes.ts';
import { cornCases } from './cases.ts';
import { cornBackwardProgram, cornProgram } from './program.ts';

/**
 * CORN loss of ordinal grades (Shi, Cao and Raschka 2021, arXiv 2111.08851) over logits [N, K - 1] and grades i32 [N] in 0 .. K - 1: the
 * binary cross entropies of "above k?" over the rows that are above k - 1, summed over the tasks and divided by the number of (row, task)
 * pairs, as `corn_loss` of coral_pytorch (github.com/Raschka-research-group/coral-pytorch). Negative grades, and those of K and above, which
 * a GPU cannot report, count nothing; where no row counts the loss is 0 with zero gradient.
 */
export const corn = defineOp<CornAttributes>({
  name: 'corn',
  forward: cornProgram,
  programs: [cornBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1], outputs: [1] },
    backward(context) {
      if (!context.needs(0)) return [null, null];
      const inputs = [context.gradOutput, context.input(0), context.input(1), context.output(1)];
      return [context.run(cornBackwardProgram, inputs, context.attributes)[0], null];
    },
  },
  cases: cornCases,
});
