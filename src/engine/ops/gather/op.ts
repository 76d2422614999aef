/** The op of picking along an axis: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { GatherAttributes } from './attributes.ts';
import { gatherCases } from './cases.ts';
import { gatherGradientProgram, gatherProgram } from './program.ts';

/** Elements of x at the indices along an axis; an element's gradient is the sum over all that picked it, in a fixed order. */
export const gather = defineOp<GatherAttributes>({
  name: 'gather',
  forward: gatherProgram,
  programs: [gatherGradientProgram],
  gradient: {
    saves: { inputs: [1] },
    backward: (context) => [
      ...context.run(gatherGradientProgram, [context.gradOutput, context.input(1)], {
        ...context.attributes,
        shape: context.inputSpecs[0].shape,
      }),
      null,
    ],
  },
  cases: gatherCases,
});
