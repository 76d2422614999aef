import { type Case, defineOp, type Tolerance } from '../definition.ts';
import { type CornAttributes, cornBackwardProgram, cornProgram } from './program.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 4e-6,
  element: 1e-5,
  reason: 'WGSL grants exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1; sums over rows in another order',
};

function cornCase(
  name: string,
  tasks: number,
  labels: readonly number[],
  attributes: CornAttributes = {},
  purpose: Case['purpose'] = ['test', 'gradient'],
  values?: readonly number[],
): Case<CornAttributes> {
  const shape = [labels.length, tasks];
  return {
    name,
    inputs: [
      values ? { shape, fill: { values } } : { shape },
      { shape: [labels.length], dtype: 'i32', fill: { values: labels } },
    ],
    attributes,
    purpose,
    tolerance: EXPONENTIAL,
  };
}

const cycled = (count: number): number[] => Array.from({ length: count }, (_, i) => ((i * i + 3 * i) % 7) - 1);

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
  cases: [
    cornCase('each grade', 4, [0, 1, 2, 3, 4]),
    cornCase('ignored rows', 2, [2, -1, 0, -100, 1, 3]),
    cornCase('one task', 1, [0, 1, 1]),
    cornCase('all rows ignored', 2, [-1, -1]),
    cornCase('sum', 4, [4, 0, -1, 2], { reduction: 'sum' }),
    cornCase('a row each', 4, [4, 0, -1, 2, 9], { reduction: 'none' }),
    cornCase('logits of 80', 2, [0, 1, 2, 2], {}, ['test'], [80, -80, -80, 80, 80, -1000, 1000, -80]),
    cornCase('several workgroups', 4, cycled(701), {}, ['test']),
    cornCase('several workgroups, a row each', 4, cycled(199), { reduction: 'none' }, ['test']),
    cornCase('grades, N32', 4, cycled(32), {}, ['bench']),
  ],
});
