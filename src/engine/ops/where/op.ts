/** The op of the choice between two tensors: gradient and cases. */
import { defineOp, type NoAttributes } from '../definition.ts';
import { fillProgram } from '../movement/convert.ts';
import { whereCases } from './cases.ts';
import { whereProgram } from './program.ts';

/** condition ? a : b by element, as torch.where; what is not picked gets no gradient, and its NaN goes nowhere. */
export const where = defineOp<NoAttributes>({
  name: 'where',
  forward: whereProgram,
  gradient: {
    saves: { inputs: [0] },
    backward(context) {
      const { shape, dtype } = context.inputSpecs[1];
      const [zeros] = context.run(fillProgram, [], { shape, value: 0, dtype });
      const picked = (...parts: Parameters<typeof context.run>[1]) => context.run(whereProgram, parts, {})[0];
      return [
        null,
        context.needs(1) ? picked(context.input(0), context.gradOutput, zeros) : null,
        context.needs(2) ? picked(context.input(0), zeros, context.gradOutput) : null,
      ];
    },
  },
  cases: whereCases,
});
