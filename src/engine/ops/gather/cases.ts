/** Both kinds of index, repeated and missing indices, every place of the axis. */
import type { Shape } from '../../tensor/spec.ts';
import { type Case, type CaseInput, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import type { GatherAttributes } from './attributes.ts';

function gatherCase(
  name: string,
  shape: Shape,
  index: Shape,
  axis: number,
  fill: CaseInput['fill'],
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<GatherAttributes> {
  const inputs: CaseInput[] = [{ shape }, { shape: index, dtype: 'i32', fill, grad: false }];
  return { name, inputs, attributes: { axis }, purpose, tolerance: ELEMENTWISE_TOLERANCE };
}

export const gatherCases: readonly Case<GatherAttributes>[] = [
  gatherCase('one per row', [4, 5], [4, 1], 1, { values: [4, 0, 2, 2] }),
  gatherCase('middle axis, more than there are', [2, 3, 4], [2, 5, 4], 1, { integersBelow: 3 }),
  gatherCase('one list, rows repeated', [5, 3], [7], 0, { values: [4, 4, 0, 1, 4, 0, 2] }),
  gatherCase('one list, last axis, odd', [3, 2, 7], [3], -1, { values: [6, 0, 6] }),
  gatherCase('vector', [6], [4], 0, { values: [5, 1, 1, 0] }),
  gatherCase('a table, rows repeated', [700, 6], [150], 0, { integersBelow: 40 }, ['test']),
  gatherCase('a table of columns, odd', [3, 301, 5], [3, 77, 5], 1, { integersBelow: 301 }, ['test']),
  gatherCase('one element', [1], [1], 0, { values: [0] }),
  gatherCase('rows of an embedding, 512 of 50,000', [50_000, 64], [512], 0, { integersBelow: 50_000 }, ['bench']),
  gatherCase('likelihoods of labels, N4096', [4096, 1000], [4096, 1], 1, { integersBelow: 1000 }, ['bench']),
];
