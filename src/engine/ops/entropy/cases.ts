/** With and without weights, certain and even rows, several workgroups. */
import type { Case, CaseInput, NoAttributes, Tolerance } from '../definition.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 5e-6,
  element: 1e-5,
  reason: 'WGSL grants exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1; sums over rows in another order',
};

function entropyCase(
  name: string,
  shape: readonly number[],
  purpose: Case['purpose'],
  weights?: readonly number[],
  values?: readonly number[],
): Case<NoAttributes> {
  const inputs: CaseInput[] = [values ? { shape, fill: { values } } : { shape }];
  if (weights) inputs.push({ shape: shape.slice(0, -1), fill: { values: weights }, grad: false });
  return { name, inputs, attributes: {}, purpose, tolerance: EXPONENTIAL };
}

export const entropyCases: readonly Case<NoAttributes>[] = [
  entropyCase('tiny', [4, 2], ['test', 'gradient']),
  entropyCase('sample weights', [4, 3], ['test', 'gradient'], [1, 0, 2, 0.5]),
  entropyCase('no weight', [2, 3], ['test', 'gradient'], [0, 0]),
  entropyCase('even and certain', [3, 2], ['test'], undefined, [0, 0, 80, -80, -80, 80]),
  entropyCase('several workgroups', [3, 67, 5], ['test']),
  entropyCase('gate, N32', [32, 2], ['bench']),
];
