import { type Case, type CaseInput, defineOp, ELEMENTWISE_TOLERANCE, type Op } from '../definition.ts';
import { mulProgram } from '../binary/program.ts';
import { slotsFor } from './norm.ts';
import {
  type AxpyAttributes,
  axpyProgram,
  type DotsAttributes,
  type DotTotalsAttributes,
  dotProgram,
  dotsProgram,
  dotTotalsProgram,
} from './products.ts';

const NONE = { none: 'it works on gradients, which are not differentiated again' } as const;

/** Elements of a weight of ConvNeXt-T's last stage (768 x 3072), its largest parameter. */
const LARGEST = [768, 3072] as const;

const dotCase = (name: string, shape: readonly number[], purpose: Case['purpose'] = ['test']): Case => ({
  name,
  inputs: [{ shape }, { shape }],
  attributes: {},
  purpose,
});

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
  cases: [
    dotCase('tiny', [2, 3], ['test', 'gradient']),
    dotCase('scalars', [], ['test', 'gradient']),
    dotCase('in fours', [4, 8], ['test', 'gradient']),
    dotCase('several slots, odd', [41, 151]),
    dotCase('more than a workgroup of slots', [100, 400]),
    dotCase('largest parameter of ConvNeXt-T', LARGEST, ['bench']),
  ],
});

const dotsCase = (
  name: string,
  shape: readonly number[],
  slots: number,
  attributes: DotsAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<DotsAttributes> => ({ name, inputs: [{ shape }, { shape }, { shape: [slots, 4] }], attributes, purpose });

const dotsToSlots = defineOp<DotsAttributes>({
  name: 'dotsToSlots',
  forward: dotsProgram,
  gradient: NONE,
  cases: [
    dotsCase('odd count', [7, 11], 1, { first: 0 }),
    dotsCase('several slots between those of others', [2049], 9, { first: 3 }),
    dotsCase('scalar', [], 3, { first: 1 }),
    dotsCase('more than a workgroup of slots', [100, 400], 80, { first: 1 }),
    dotsCase('largest parameter of ConvNeXt-T', LARGEST, slotsFor(LARGEST[0] * LARGEST[1]), { first: 0 }, ['bench']),
  ],
});

const totalsCase = (
  name: string,
  slots: number,
  attributes: DotTotalsAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<DotTotalsAttributes> => ({ name, inputs: [{ shape: [slots, 4] }], attributes, purpose });

const dotTotals = defineOp<DotTotalsAttributes>({
  name: 'dotTotals',
  forward: dotTotalsProgram,
  gradient: NONE,
  cases: [
    totalsCase('one slot', 1, { count: 1 }),
    totalsCase('a range', 9, { first: 2, count: 5 }),
    totalsCase('more slots than threads', 201, { first: 1, count: 200 }),
    totalsCase('slots of ConvNeXt-T', 56_000, { count: 56_000 }, ['bench']),
  ],
});

const alpha: CaseInput = { shape: [3], fill: { values: [0.5, -1.25, 3] } };

const axpyCase = (
  name: string,
  shape: readonly number[],
  attributes: AxpyAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<AxpyAttributes> => ({
  name,
  inputs: [{ shape }, { shape }, alpha],
  attributes,
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

const axpy = defineOp<AxpyAttributes>({
  name: 'axpy',
  forward: axpyProgram,
  gradient: NONE,
  cases: [
    axpyCase('odd count', [7, 11, 3], {}),
    axpyCase('in fours, another element', [16, 24], { index: 1 }),
    axpyCase('one element, scaled', [], { index: 2, scale: -0.5 }),
    axpyCase('several groups a thread', [4099], { index: 1, scale: -1 }),
    axpyCase('largest parameter of ConvNeXt-T', LARGEST, {}, ['bench']),
  ],
});

/** Inner products of gradients and the steps along other gradients that they decide. */
export const productOps: readonly Op[] = [dot, dotsToSlots, dotTotals, axpy];
