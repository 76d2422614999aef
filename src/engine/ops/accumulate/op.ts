/** The op of the in-place sum of gradients: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { AccumulateAttributes } from './attributes.ts';
import { accumulateCases } from './cases.ts';
import { accumulateProgram } from './program.ts';

/** target += scale * x, in place: how gradients add up. */
export const accumulate = defineOp<AccumulateAttributes>({
  name: 'accumulate',
  forward: accumulateProgram,
  gradient: { none: 'it changes its first input in place; the engine uses it to add up gradients' },
  cases: accumulateCases,
});
