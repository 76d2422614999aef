/** One way for each pattern of kept (K) and reduced (R) axes, long and short, odd and in fours. */
import type { Case, CaseInput } from '../definition.ts';
import type { ReduceAttributes } from './attributes.ts';

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
  reduceCase('all, for several workgroups', [5, 4, 4099], undefined, ['test']),
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

/** The same without ties, then ties. */
export const maxCases: readonly Case<ReduceAttributes>[] = [
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
];
