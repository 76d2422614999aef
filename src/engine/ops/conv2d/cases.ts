/** Every version, epilogue and parity of convolution; what the networks run. */
import type { Case, CasePurpose } from '../definition.ts';
import type { ConvolutionAttributes } from './attributes.ts';

/** A case from its shapes; the bias has as many elements as the weight's last axis. */
function convolutionCase(
  name: string,
  x: readonly number[],
  weight: readonly number[],
  attributes: ConvolutionAttributes,
  purpose: readonly CasePurpose[],
  hasBias = true,
): Case<ConvolutionAttributes> {
  const inputs = [{ shape: x }, { shape: weight }, ...(hasBias ? [{ shape: [weight[3]] }] : [])];
  return { name, inputs, attributes, purpose };
}

const same = { padding: [1, 1] } as const;

/** Every kernel version, epilogue and parity; then what the networks run. */
export const conv2dCases: readonly Case<ConvolutionAttributes>[] = [
  convolutionCase('3x3', [2, 4, 5, 3], [3, 3, 3, 2], same, ['test', 'gradient']),
  convolutionCase('one pixel, one channel', [1, 1, 1, 1], [1, 1, 1, 1], {}, ['test', 'gradient']),
  convolutionCase('single channels, no bias', [1, 5, 4, 1], [3, 3, 1, 1], same, ['test', 'gradient'], false),
  convolutionCase('stride 2', [1, 5, 6, 2], [3, 3, 2, 3], { stride: [2, 2], padding: [1, 1] }, ['test', 'gradient']),
  convolutionCase('stride 3, rows left over', [1, 8, 9, 2], [2, 2, 2, 2], { stride: [3, 3] }, ['test', 'gradient']),
  convolutionCase('dilation', [1, 7, 6, 2], [3, 2, 2, 3], { dilation: [2, 3], padding: [2, 1] }, ['test', 'gradient']),
  convolutionCase(
    'dilation and stride',
    [1, 9, 8, 4],
    [3, 3, 4, 8],
    { dilation: [2, 3], padding: [2, 3], stride: [2, 3] },
    ['test'],
  ),
  convolutionCase('two groups', [1, 4, 4, 4], [3, 3, 2, 6], { padding: [1, 1], groups: 2 }, ['test', 'gradient']),
  convolutionCase('relu', [2, 3, 3, 2], [3, 3, 2, 2], { padding: [1, 1], activation: 'relu' }, ['test']),
  convolutionCase(
    'groups of four, relu',
    [2, 5, 6, 12],
    [3, 3, 4, 24],
    { padding: [1, 1], groups: 3, activation: 'relu' },
    ['test'],
  ),
  convolutionCase('5x2 window, padding 2 and 0', [2, 6, 11, 4], [5, 2, 4, 8], { padding: [2, 0] }, ['test']),
  convolutionCase('padding wider than the image', [1, 2, 3, 4], [3, 3, 4, 4], { padding: [4, 5] }, ['test']),
  convolutionCase('3x3, 8 to 36 channels, relu', [2, 7, 9, 8], [3, 3, 8, 36], { ...same, activation: 'relu' }, [
    'test',
  ]),
  convolutionCase('3x3, 12 to 8 channels', [1, 9, 19, 12], [3, 3, 12, 8], same, ['test']),
  convolutionCase('3x3, 4 to 64 channels, many pixels', [1, 17, 33, 4], [3, 3, 4, 64], same, ['test'], false),
  convolutionCase('3x3, 3 to 16 channels', [1, 10, 11, 3], [3, 3, 3, 16], same, ['test']),
  convolutionCase(
    'stride 2, 3x3, 16 to 20 channels',
    [2, 11, 12, 16],
    [3, 3, 16, 20],
    { stride: [2, 2], padding: [1, 1] },
    ['test'],
  ),
  convolutionCase('stride 1 and 3', [1, 7, 13, 4], [3, 4, 4, 4], { stride: [1, 3], padding: [1, 2] }, ['test']),
  convolutionCase('patches 4x4', [2, 12, 8, 3], [4, 4, 3, 8], { stride: [4, 4] }, ['test']),
  convolutionCase('patches 2x2', [2, 6, 10, 8], [2, 2, 8, 16], { stride: [2, 2] }, ['test']),
  convolutionCase('patches 2x2, a row and a column left over', [1, 5, 7, 4], [2, 2, 4, 8], { stride: [2, 2] }, [
    'test',
  ]),
  convolutionCase('1x1', [2, 5, 7, 12], [1, 1, 12, 20], {}, ['test']),
  convolutionCase('1x1 to 5 channels', [2, 5, 7, 12], [1, 1, 12, 5], {}, ['test']),
  convolutionCase('1x1, stride 2', [2, 5, 7, 8], [1, 1, 8, 4], { stride: [2, 2] }, ['test']),
  convolutionCase('1x1 to 76 channels', [1, 9, 8, 4], [1, 1, 4, 76], { activation: 'relu' }, ['test']),
  convolutionCase(
    'stride 2, several tiles a phase',
    [1, 17, 18, 36],
    [3, 3, 36, 4],
    { stride: [2, 2], padding: [1, 1] },
    ['test'],
  ),
  convolutionCase('3x3, 12 to 100 channels', [6, 3, 5, 12], [3, 3, 12, 100], same, ['test']),
  convolutionCase('3x3, 12 to 52 channels, 2x2', [9, 2, 2, 12], [3, 3, 12, 52], same, ['test'], false),
  convolutionCase('U-Net decoder 64x64, 32 channels, N8', [8, 64, 64, 32], [3, 3, 32, 32], same, ['bench'], false),
  convolutionCase('U-Net decoder 32x32, 128 to 64, N8', [8, 32, 32, 128], [3, 3, 128, 64], same, ['bench'], false),
  convolutionCase('U-Net head 128x128, 16 to 5, N4', [4, 128, 128, 16], [3, 3, 16, 5], same, ['bench']),
  convolutionCase('U-Net decoder 128x128, 16 channels, N4', [4, 128, 128, 16], [3, 3, 16, 16], same, ['bench'], false),
  convolutionCase(
    'ResNet stem 7x7, N4',
    [4, 224, 224, 3],
    [7, 7, 3, 64],
    { stride: [2, 2], padding: [3, 3] },
    ['bench'],
    false,
  ),
  convolutionCase('ConvNeXt-T stem, N4', [4, 224, 224, 3], [4, 4, 3, 96], { stride: [4, 4] }, ['bench']),
  convolutionCase('ConvNeXt-T downsampling, N4', [4, 56, 56, 96], [2, 2, 96, 192], { stride: [2, 2] }, ['bench']),
  convolutionCase(
    'ResNet stride 2, N4',
    [4, 56, 56, 64],
    [3, 3, 64, 128],
    { stride: [2, 2], padding: [1, 1] },
    ['bench'],
    false,
  ),
];
