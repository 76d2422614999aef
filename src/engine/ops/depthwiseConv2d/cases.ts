/** Windows, strides, dilations and channels that reach each version; what ConvNeXt runs. */
import type { Case, CasePurpose } from '../definition.ts';
import type { DepthwiseAttributes } from './attributes.ts';

function depthwiseCase(
  name: string,
  x: readonly number[],
  kernel: readonly [number, number],
  attributes: DepthwiseAttributes,
  purpose: readonly CasePurpose[],
  hasBias = true,
): Case<DepthwiseAttributes> {
  const channels = x[3];
  const inputs = [{ shape: x }, { shape: [...kernel, channels] }, ...(hasBias ? [{ shape: [channels] }] : [])];
  return { name, inputs, attributes, purpose };
}

const seven = { padding: [3, 3] } as const;

export const depthwiseCases: readonly Case<DepthwiseAttributes>[] = [
  depthwiseCase('3x3', [2, 3, 4, 3], [3, 3], { padding: [1, 1] }, ['test', 'gradient']),
  depthwiseCase('one pixel, one channel', [1, 1, 1, 1], [7, 7], seven, ['test', 'gradient'], false),
  depthwiseCase('dilation', [1, 6, 7, 2], [3, 2], { dilation: [2, 3], padding: [2, 1] }, ['test', 'gradient']),
  depthwiseCase('stride 2 and 3', [1, 7, 8, 2], [3, 4], { stride: [2, 3], padding: [1, 2] }, ['test', 'gradient']),
  depthwiseCase('7x7', [1, 4, 5, 4], [7, 7], seven, ['test', 'gradient']),
  depthwiseCase('7x7, 12 channels', [2, 9, 18, 12], [7, 7], seven, ['test']),
  depthwiseCase('7x7, 5 channels, no bias', [1, 8, 9, 5], [7, 7], seven, ['test'], false),
  depthwiseCase('7x7, one row', [3, 1, 17, 8], [7, 7], seven, ['test']),
  depthwiseCase('7x7, no padding', [1, 9, 15, 4], [7, 7], {}, ['test']),
  depthwiseCase('7x7, stride 2', [1, 9, 10, 8], [7, 7], { stride: [2, 2], padding: [3, 3] }, ['test']),
  depthwiseCase('7x7, dilation 2', [1, 14, 13, 4], [7, 7], { dilation: [2, 2], padding: [6, 6] }, ['test']),
  depthwiseCase('5x3, 8 channels', [1, 8, 11, 8], [5, 3], { padding: [2, 1] }, ['test']),
  depthwiseCase('5x5, runs of rows', [1, 19, 5, 4], [5, 5], { padding: [2, 2] }, ['test']),
  depthwiseCase('ConvNeXt-T stage 1, N4', [4, 56, 56, 96], [7, 7], seven, ['bench']),
  depthwiseCase('ConvNeXt-A stage 1, 32x32, N8', [8, 32, 32, 40], [7, 7], seven, ['bench']),
  depthwiseCase('ConvNeXt-A stage 2, 16x16, N8', [8, 16, 16, 80], [7, 7], seven, ['bench']),
  depthwiseCase('ConvNeXt-A stage 3, 8x8, N8', [8, 8, 8, 160], [7, 7], seven, ['bench']),
];
