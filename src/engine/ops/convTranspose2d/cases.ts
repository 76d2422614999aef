/** Strides, paddings, dilations and groups of transposed convolutions; the upsampling of U-Nets. */
import type { Case, CasePurpose } from '../definition.ts';
import type { TransposedAttributes } from './attributes.ts';

function transposedCase(
  name: string,
  x: readonly number[],
  weight: readonly number[],
  attributes: TransposedAttributes,
  purpose: readonly CasePurpose[],
  bias?: number,
): Case<TransposedAttributes> {
  const inputs = [{ shape: x }, { shape: weight }, ...(bias === undefined ? [] : [{ shape: [bias] }])];
  return { name, inputs, attributes, purpose };
}

const doubling = { stride: [2, 2] } as const;

export const convTranspose2dCases: readonly Case<TransposedAttributes>[] = [
  transposedCase('2x2 stride 2', [1, 2, 3, 3], [2, 2, 2, 3], doubling, ['test', 'gradient'], 2),
  transposedCase('one pixel', [1, 1, 1, 1], [2, 2, 1, 1], doubling, ['test', 'gradient']),
  transposedCase(
    'stride 3 and 2, padding, dilation, output padding',
    [1, 3, 4, 2],
    [3, 2, 3, 2],
    { stride: [3, 2], padding: [1, 0], dilation: [1, 2], outputPadding: [2, 1] },
    ['test', 'gradient'],
    3,
  ),
  transposedCase('two groups', [1, 3, 3, 4], [2, 2, 3, 4], { ...doubling, groups: 2 }, ['test', 'gradient'], 6),
  transposedCase(
    '2x2 stride 2, 12 to 20 channels, relu',
    [2, 3, 5, 12],
    [2, 2, 20, 12],
    { ...doubling, activation: 'relu' },
    ['test'],
    20,
  ),
  transposedCase('2x2 stride 2, 8 to 5 channels', [2, 4, 3, 8], [2, 2, 5, 8], doubling, ['test'], 5),
  transposedCase('4x4 stride 2', [1, 4, 5, 8], [4, 4, 4, 8], { ...doubling, padding: [1, 1] }, ['test'], 4),
  transposedCase('U-Net up, 32x32, 64 to 32, N8', [8, 32, 32, 64], [2, 2, 32, 64], doubling, ['bench'], 32),
  transposedCase('U-Net up, 8x8, 256 to 128, N8', [8, 8, 8, 256], [2, 2, 128, 256], doubling, ['bench'], 128),
];
