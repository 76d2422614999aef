/** Every grade, reduction and kind of ignored row, far logits, several workgroups. */
import type { Case, Tolerance } from '../definition.ts';
import type { CornAttributes } from './attributes.ts';

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

export const cornCases: readonly Case<CornAttributes>[] = [
  cornCase('each grade', 4, [0, 1, 2, 3, 4]),
  cornCase('ignored rows', 2, [2, -1, 0, -100, 1, -3]),
  cornCase('one task', 1, [0, 1, 1]),
  cornCase('all rows ignored', 2, [-1, -1]),
  cornCase('sum', 4, [4, 0, -1, 2], { reduction: 'sum' }),
  cornCase('a row each', 4, [4, 0, -1, 2, -9], { reduction: 'none' }),
  cornCase('logits of 80', 2, [0, 1, 2, 2], {}, ['test'], [80, -80, -80, 80, 80, -1000, 1000, -80]),
  cornCase('several workgroups', 4, cycled(701), {}, ['test']),
  cornCase('several workgroups, a row each', 4, cycled(199), { reduction: 'none' }, ['test']),
  cornCase('grades, N32', 4, cycled(32), {}, ['bench']),
];
