/** Overlapping, gapped, padded and dilated windows, ties, channels in fours and not. */
import type { Shape } from '../../tensor/spec.ts';
import { type Case, type CaseInput, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import type { AvgPoolAttributes, MaxPoolAttributes } from './attributes.ts';

function poolCase<A extends object>(
  name: string,
  shape: Shape,
  attributes: A,
  purpose: Case['purpose'] = ['test', 'gradient'],
  fill: CaseInput['fill'] = 'distinct',
): Case<A> {
  return { name, inputs: [{ shape, fill }], attributes, purpose, tolerance: ELEMENTWISE_TOLERANCE };
}

export const maxPoolCases: readonly Case<MaxPoolAttributes>[] = [
  poolCase('2x2', [1, 4, 4, 3], { kernel: 2 }),
  poolCase('3x3 stride 2 padding 1, odd', [2, 5, 7, 3], { kernel: 3, stride: 2, padding: 1 }),
  poolCase('stride 1 overlaps', [1, 4, 5, 2], { kernel: [3, 2], stride: 1, padding: [1, 0] }),
  poolCase('gaps between windows', [1, 7, 7, 2], { kernel: 2, stride: 3 }, ['test']),
  poolCase('dilation', [1, 7, 8, 2], { kernel: [2, 3], stride: [1, 2], padding: 1, dilation: 2 }),
  poolCase('channels in fours', [2, 9, 8, 12], { kernel: 3, stride: 2, padding: 1 }, ['test']),
  poolCase('many pixels of nine channels', [3, 28, 32, 9], { kernel: 2 }, ['test']),
  poolCase('many pixels of channels in fours', [2, 38, 24, 12], { kernel: 2 }, ['test']),
  poolCase('ties: the first wins', [1, 4, 4, 4], { kernel: 2, stride: 1 }, ['test'], { integersBelow: 2 }),
  poolCase('all negative with padding', [1, 3, 3, 1], { kernel: 3, padding: 1 }, ['test'], {
    values: [-9, -8, -7, -6, -5, -4, -3, -2, -1],
  }),
  poolCase('ResNet stem, N4', [4, 112, 112, 64], { kernel: 3, stride: 2, padding: 1 }, ['bench']),
  poolCase('U-Net 56, N4', [4, 56, 56, 64], { kernel: 2 }, ['bench']),
];

export const avgPoolCases: readonly Case<AvgPoolAttributes>[] = [
  poolCase('2x2', [1, 4, 4, 3], { kernel: 2 }),
  poolCase('padding counts', [2, 5, 7, 3], { kernel: 3, stride: 2, padding: 1 }),
  poolCase('many pixels of nine channels', [3, 28, 32, 9], { kernel: 2 }, ['test']),
  poolCase('many pixels of channels in fours', [2, 38, 24, 12], { kernel: 2 }, ['test']),
  poolCase('padding does not count', [1, 5, 4, 2], {
    kernel: [3, 2],
    stride: [2, 1],
    padding: 1,
    countIncludePad: false,
  }),
  poolCase('channels in fours', [2, 9, 8, 12], { kernel: 3, stride: 2, padding: 1 }, ['test']),
  poolCase(
    'fours, padding does not count',
    [1, 6, 5, 8],
    { kernel: 3, stride: 2, padding: 1, countIncludePad: false },
    ['test'],
  ),
  poolCase('U-Net 56, N4', [4, 56, 56, 64], { kernel: 2 }, ['bench']),
];
