/** The ops of optimizers: steps, moving averages, norms, and inner products of gradients. */
import { type Callable, type Case, defineOp, type Op } from '../definition.ts';
import type {
  AveragesAttributes,
  AxpyAttributes,
  ClipGuardAttributes,
  DotsAttributes,
  DotTotalsAttributes,
  SquaresAttributes,
  SwapAttributes,
} from './attributes.ts';
import { averagesProgram } from './averages.ts';
import {
  adamwCases,
  averagesCases,
  axpyCases,
  clipGateCases,
  dotCases,
  dotsCases,
  dotTotalsCases,
  emaCases,
  guardedScaleCases,
  rmspropCases,
  sgdCases,
  squaresCases,
  swapCases,
} from './cases.ts';
import { emaProgram, guardedScaleProgram, swapProgram } from './elementwise.ts';
import { clipGateProgram, squaresProgram } from './norm.ts';
import { ADAMW_COUNTS, adamwPrograms, RMSPROP_COUNTS, rmspropPrograms, SGD_COUNTS, sgdPrograms } from './steps.ts';
import { mulProgram } from '../binary/program.ts';
import { axpyProgram, dotProgram, dotsProgram, dotTotalsProgram } from './products.ts';

const NONE = { none: 'an optimizer step works on parameters in place and is not differentiated' } as const;

/** The ops of an optimizer's step, one for each of the `counts` of parameters that a dispatch takes. */
const stepOps = <A extends object>(
  counts: readonly number[],
  programs: Readonly<Record<number, Callable<A>>>,
  casesOf: (count: number) => readonly Case<A>[],
) =>
  counts.map((count) =>
    defineOp<A>({ name: programs[count].name, forward: programs[count], gradient: NONE, cases: casesOf(count) }),
  );

const averages = defineOp<AveragesAttributes>({
  name: 'averages',
  forward: averagesProgram,
  gradient: NONE,
  cases: averagesCases,
});

const swap = defineOp<SwapAttributes>({
  name: 'swap',
  forward: swapProgram,
  gradient: NONE,
  cases: swapCases,
});

function plainOp(name: string, forward: Callable, cases: readonly Case[]): Op {
  return defineOp({ name, forward, gradient: NONE, cases });
}

const emaStep = plainOp('emaStep', emaProgram, emaCases);
const guardedScale = plainOp('guardedScale', guardedScaleProgram, guardedScaleCases);

const squaresToSlots = defineOp<SquaresAttributes>({
  name: 'squaresToSlots',
  forward: squaresProgram,
  gradient: NONE,
  cases: squaresCases,
});

const clipGate = defineOp<ClipGuardAttributes>({
  name: 'clipGate',
  forward: clipGateProgram,
  gradient: NONE,
  cases: clipGateCases,
});

/** In-place programs of the optimizers. */
export const optimizerOps: readonly Op[] = [
  ...stepOps(ADAMW_COUNTS, adamwPrograms, adamwCases),
  ...stepOps(SGD_COUNTS, sgdPrograms, sgdCases),
  ...stepOps(RMSPROP_COUNTS, rmspropPrograms, rmspropCases),
  averages,
  emaStep,
  swap,
  guardedScale,
  squaresToSlots,
  clipGate,
] as readonly Op[];

const NOT_TWICE = { none: 'it works on gradients, which are not differentiated again' } as const;

/** Sum of a b over two tensors of one shape, a scalar; summed in the same order on every device. */
export const dot = defineOp<object>({
  name: 'dot',
  forward: dotProgram,
  gradient: {
    saves: { inputs: [0, 1] },
    backward(context) {
      // mul stretches the scalar.
      const times = (index: number) => context.run(mulProgram, [context.gradOutput, context.input(index)], {})[0];
      return [context.needs(0) ? times(1) : null, context.needs(1) ? times(0) : null];
    },
  },
  cases: dotCases,
});

const dotsToSlots = defineOp<DotsAttributes>({
  name: 'dotsToSlots',
  forward: dotsProgram,
  gradient: NOT_TWICE,
  cases: dotsCases,
});

const dotTotals = defineOp<DotTotalsAttributes>({
  name: 'dotTotals',
  forward: dotTotalsProgram,
  gradient: NOT_TWICE,
  cases: dotTotalsCases,
});

const axpy = defineOp<AxpyAttributes>({
  name: 'axpy',
  forward: axpyProgram,
  gradient: NOT_TWICE,
  cases: axpyCases,
});

/** Inner products of gradients and the steps along other gradients that they decide. */
export const productOps: readonly Op[] = [dot, dotsToSlots, dotTotals, axpy];
