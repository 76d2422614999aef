/** Every weight, reduction and focal option, far logits, several turns of a thread. */
import type { Case, CaseInput, Tolerance } from '../definition.ts';
import type { BceAttributes } from './attributes.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 4e-6,
  element: 1e-5,
  reason: 'WGSL grants exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1; sums in another order',
};

const POWER: Tolerance = {
  relativeL2: 1e-5,
  element: 2e-5,
  reason: 'q^gamma = exp(gamma log q), where WGSL grants log an absolute error of 2^-21 and exp 3 + 2|x| ulp',
};

function bceCase(
  name: string,
  shape: readonly number[],
  purpose: Case['purpose'],
  settings: {
    posWeight?: readonly number[];
    sampleWeights?: readonly number[];
    reduction?: 'sum' | 'sample';
    gamma?: number;
    alpha?: number;
    hard?: boolean;
    values?: readonly number[];
  } = {},
): Case<BceAttributes> {
  const { posWeight, sampleWeights, reduction, gamma, alpha, hard, values } = settings;
  const vector = (own: readonly number[]): CaseInput => ({ shape: [own.length], fill: { values: own }, grad: false });
  return {
    name,
    inputs: [
      values ? { shape, fill: { values } } : { shape },
      { shape, fill: hard ? { integersBelow: 2 } : 'uniform', grad: false },
      ...(posWeight ? [vector(posWeight)] : []),
      ...(sampleWeights ? [vector(sampleWeights)] : []),
    ],
    attributes: {
      posWeight: posWeight !== undefined,
      sampleWeights: sampleWeights !== undefined,
      reduction: reduction ?? 'mean',
      ...(gamma !== undefined && { gamma }),
      ...(alpha !== undefined && { alpha }),
    },
    purpose,
    tolerance: gamma === undefined ? EXPONENTIAL : POWER,
  };
}

export const bceCases: readonly Case<BceAttributes>[] = [
  bceCase('tiny', [2, 3], ['test', 'gradient']),
  bceCase('one element', [1], ['test', 'gradient']),
  bceCase('sum', [3, 4], ['test', 'gradient'], { reduction: 'sum' }),
  bceCase('positive weights', [2, 2, 3], ['test', 'gradient'], { posWeight: [12, 1, 0.5] }),
  bceCase('sample weights', [3, 2, 2], ['test', 'gradient'], { sampleWeights: [1, 0, 2.5] }),
  bceCase('both weights', [4, 3, 2], ['test', 'gradient'], { posWeight: [3, 2], sampleWeights: [0, 1, 2, 0.5] }),
  bceCase('both weights, sum', [2, 3, 2], ['test', 'gradient'], {
    posWeight: [3, 2],
    sampleWeights: [0.5, 3],
    reduction: 'sum',
  }),
  bceCase('one mean a sample', [3, 2, 2], ['test', 'gradient'], { reduction: 'sample', posWeight: [3, 0.5] }),
  bceCase('one mean of one sample', [1, 2, 3], ['test', 'gradient'], { reduction: 'sample' }),
  bceCase('focal', [3, 2, 2], ['test', 'gradient'], { gamma: 2 }),
  bceCase('focal, hard targets', [3, 2, 2], ['test', 'gradient'], { gamma: 2, alpha: 0.25, hard: true }),
  bceCase('focal, all options', [3, 2, 2], ['test', 'gradient'], {
    gamma: 1.5,
    alpha: 0.75,
    posWeight: [3, 0.5],
    sampleWeights: [1, 0, 2.5],
  }),
  bceCase('balanced without focus', [3, 5], ['test', 'gradient'], { gamma: 0, alpha: 0.25 }),
  bceCase('focal below one, a sample each', [2, 5], ['test', 'gradient'], {
    gamma: 0.5,
    reduction: 'sample',
    hard: true,
  }),
  bceCase('focal, logits of 80', [2, 7], ['test'], {
    values: [80, -80, 1000, -1000, 10, -10, 0, 5, -5, 80, -80, 30, -30, 1000],
    gamma: 2,
    alpha: 0.25,
    hard: true,
  }),
  bceCase('focal below one, logits of 80', [2, 7], ['test'], {
    values: [80, -80, 1000, -1000, 10, -10, 0, 5, -5, 80, -80, 30, -30, 1000],
    gamma: 0.5,
    hard: true,
  }),
  bceCase('several turns, odd, a sample each', [3, 37, 29, 5], ['test'], { reduction: 'sample' }),
  bceCase('several turns, in fours, focal, a sample each', [70, 4, 4, 5], ['test'], {
    reduction: 'sample',
    gamma: 2,
    posWeight: [2, 5, 1, 0.5, 3],
  }),
  bceCase('no weight', [2, 3], ['test', 'gradient'], { sampleWeights: [0, 0] }),
  bceCase('logits of 80', [2, 4], ['test'], {
    values: [80, -80, 1000, -1000, 10, -10, 0, 5],
    posWeight: [1, 12, 3, 1],
  }),
  bceCase('several turns, odd', [3, 37, 29, 5], ['test'], { posWeight: [2, 5, 1, 0.5, 3], sampleWeights: [1, 0, 2] }),
  bceCase('several turns, in fours', [3, 32, 30, 5], ['test'], {
    posWeight: [2, 5, 1, 0.5, 3],
    sampleWeights: [1, 3, 2],
  }),
  bceCase('several turns, one channel', [2, 40, 41, 1], ['test']),
  bceCase('lesion maps, N8, focal, a sample each', [8, 128, 128, 5], ['bench'], { reduction: 'sample', gamma: 2 }),
  bceCase('lesion maps, N8', [8, 128, 128, 5], ['bench'], { sampleWeights: [1, 2, 1, 1, 2, 1, 1, 1] }),
];
