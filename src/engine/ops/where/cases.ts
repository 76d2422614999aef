/** Whole and partial groups of four, conditions of both kinds. */
import { type Case, ELEMENTWISE_TOLERANCE, type NoAttributes } from '../definition.ts';

function whereCase(name: string, shape: readonly number[], purpose: Case['purpose']): Case<NoAttributes> {
  const condition = { shape, fill: { integersBelow: 2 }, grad: false } as const;
  return { name, inputs: [condition, { shape }, { shape }], attributes: {}, purpose, tolerance: ELEMENTWISE_TOLERANCE };
}

export const whereCases: readonly Case<NoAttributes>[] = [
  whereCase('in fours', [2, 4], ['test', 'gradient']),
  whereCase('odd count', [3, 5, 7], ['test', 'gradient']),
  whereCase('one element', [], ['test']),
  whereCase('ConvNeXt-T stage 1, N4', [4, 56, 56, 96], ['bench']),
];
