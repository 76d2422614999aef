import { normalizeAxes, reducedShape } from '../../tensor/shape.ts';
import { type Case, type CaseInput, defineOp, type Op, type Program } from '../definition.ts';
import { divProgram, equalProgram, mulProgram } from '../binary/program.ts';
import { expandProgram } from '../movement/expand.ts';
import { floatCastProgram } from '../movement/floatCast.ts';
import { affineProgram } from '../unary/program.ts';
import { maxProgram, meanProgram, type ReduceAttributes, reducedCount, sumProgram } from './program.ts';

function reduceCase(
  name: string,
  shape: readonly number[],
  axes: readonly number[] | undefined,
  purpose: Case['purpose'],
  keepDims?: boolean,
): Case<ReduceAttributes> {
  const inputs: CaseInput[] = [{ shape }];
  return { name, inputs, attributes: { ...(axes && { axes }), ...(keepDims && { keepDims }) }, purpose };
}

/** One way for each pattern of kept (K) and reduced (R) axes, long and short, odd and in fours. */
export const reduceCases: readonly Case<ReduceAttributes>[] = [
  reduceCase('all, tiny', [2, 3], undefined, ['test', 'gradient']),
  reduceCase('scalar', [], undefined, ['test', 'gradient']),
  reduceCase('all, long', [13, 100, 20], undefined, ['test']),
  reduceCase('all, odd', [13, 101, 7], undefined, ['test']),
  reduceCase('KR', [5, 8], [-1], ['test', 'gradient']),
  reduceCase('KR, long rows', [3, 1000], [1], ['test']),
  reduceCase('RK', [6, 5], [0], ['test', 'gradient']),
  reduceCase('RK, long columns', [3000, 24], [0], ['test']),
  reduceCase('KRK', [2, 3, 4], [1], ['test', 'gradient'], true),
  reduceCase('RKR', [3, 2, 5], [0, 2], ['test', 'gradient']),
  reduceCase('KRKR', [2, 33, 3, 70], [1, 3], ['test'], true),
  reduceCase('bias gradient, ConvNeXt-T stage 1, N4', [12_544, 384], [0], ['bench']),
  reduceCase('pooling, ConvNeXt-T stage 4, N8', [8, 49, 768], [1], ['bench']),
];

function opOf(name: string, forward: Program<ReduceAttributes>, isMean: boolean): Op<ReduceAttributes> {
  return defineOp<ReduceAttributes>({
    name,
    forward,
    gradient: {
      saves: {},
      backward(context) {
        const { shape, dtype } = context.inputSpecs[0];
        const axes = normalizeAxes(name, context.attributes.axes, shape.length);
        const kept = context.reshape(context.gradOutput, reducedShape(shape, axes, true));
        const scaled = isMean ? context.run(affineProgram, [kept], { scale: 1 / reducedCount(shape, axes) })[0] : kept;
        const stored = scaled.spec.dtype === dtype ? scaled : context.run(floatCastProgram, [scaled], { dtype })[0];
        return context.run(expandProgram, [stored], { shape });
      },
    },
    half: 'all',
    cases: reduceCases,
  });
}

/** Sum over axes. */
export const sum = opOf('sum', sumProgram, false);

/** Mean over axes. */
export const mean = opOf('mean', meanProgram, true);

/** Maximum over axes, as torch.amax: equal maxima share the gradient evenly. */
export const max = defineOp<ReduceAttributes>({
  name: 'max',
  forward: maxProgram,
  programs: [equalProgram],
  gradient: {
    saves: { inputs: [0], outputs: [0] },
    backward(context) {
      const { shape, dtype } = context.inputSpecs[0];
      const axes = normalizeAxes('max', context.attributes.axes, shape.length);
      const kept = reducedShape(shape, axes, true);
      const [winners] = context.run(equalProgram, [context.input(0), context.reshape(context.output(0), kept)], {});
      const [count] = context.run(sumProgram, [winners], { axes, keepDims: true, dtype });
      const [share] = context.run(divProgram, [context.reshape(context.gradOutput, kept), count], {});
      return context.run(mulProgram, [winners, share], {});
    },
  },
  half: 'all',
  cases: [
    ...reduceCases.map((testCase) => ({
      ...testCase,
      inputs: testCase.inputs.map((input): CaseInput => ({ ...input, fill: 'distinct' })),
    })),
    {
      name: 'ties share',
      inputs: [{ shape: [6, 8], fill: { integersBelow: 2 } }],
      attributes: { axes: [1] },
      purpose: ['test'],
    },
    {
      name: 'all negative',
      inputs: [{ shape: [4], fill: { values: [-9, -3, -5, -3] } }],
      attributes: {},
      purpose: ['test'],
    },
  ],
});
