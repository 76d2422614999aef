/** Probabilities from 0 to 1, elements, channels and samples; large seeds. */
import type { Shape } from '../../tensor/spec.ts';
import { type Case, type CaseInput, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import type { DropoutAttributes, DropPathAttributes } from './attributes.ts';

function dropCase<A extends object>(
  name: string,
  shape: Shape,
  attributes: A,
  purpose: Case['purpose'] = ['test', 'gradient'],
  seed: readonly [number, number] = [42, 7],
): Case<A> {
  const inputs: CaseInput[] = [{ shape }, { shape: [2], dtype: 'u32', fill: { values: seed } }];
  return { name, inputs, attributes, purpose, tolerance: ELEMENTWISE_TOLERANCE };
}

export const dropoutCases: readonly Case<DropoutAttributes>[] = [
  dropCase('tiny', [3, 5], { p: 0.5 }),
  dropCase('nothing dropped', [2, 4], { p: 0 }),
  dropCase('all dropped', [2, 4], { p: 1 }, ['test']),
  dropCase('odd count, large seed', [7, 13, 11], { p: 0.1 }, ['test'], [4_294_967_295, 3_000_000_000]),
  dropCase('channels', [3, 2, 2, 5], { p: 0.5, granularity: 'channel' }),
  dropCase('channels in fours', [2, 3, 3, 8], { p: 0.25, granularity: 'channel' }, ['test']),
  dropCase('features before the head, ConvNeXt-T, N64', [64, 768], { p: 0.2 }, ['bench']),
  dropCase('map, U-Net 56, N4', [4, 56, 56, 64], { p: 0.1 }, ['bench']),
];

export const dropPathCases: readonly Case<DropPathAttributes>[] = [
  dropCase('tiny', [6, 2, 3], { p: 0.5 }),
  dropCase('vector', [5], { p: 0.4 }),
  dropCase('in fours', [5, 3, 3, 4], { p: 0.3 }, ['test']),
  dropCase('ConvNeXt-T stage 3, N8', [8, 14, 14, 384], { p: 0.1 }, ['bench']),
];
