/** Ratios whole and odd, up and down, from and to one pixel, channels in fours and not. */
import type { Shape } from '../../tensor/spec.ts';
import { type Case, ELEMENTWISE_TOLERANCE, SUM_TOLERANCE } from '../definition.ts';
import type { Resampling, ResizeAttributes } from './attributes.ts';

export function resizeCases(kind: Resampling): Case<ResizeAttributes>[] {
  const make = (
    name: string,
    shape: Shape,
    size: readonly [number, number],
    purpose: Case['purpose'] = ['test'],
    how: Omit<ResizeAttributes, 'size'> = {},
  ): Case<ResizeAttributes> => ({
    name,
    inputs: [{ shape }],
    attributes: { size, ...how },
    purpose,
    tolerance: kind === 'nearest' ? ELEMENTWISE_TOLERANCE : SUM_TOLERANCE,
  });
  const both: Case['purpose'] = ['test', 'gradient'];
  const shared = [
    make('double', [2, 3, 2, 3], [6, 4], both),
    make('ratios that are not whole', [1, 3, 5, 2], [7, 8], both),
    make('smaller', [1, 7, 5, 2], [3, 2], both),
    make('one axis up, one down', [1, 3, 6, 1], [5, 4], both),
    make('from one pixel', [1, 1, 1, 2], [3, 2], both),
    make('to one pixel', [1, 4, 3, 2], [1, 1], both),
    make('same size', [1, 3, 4, 2], [3, 4]),
    make('by 1.5, rounded down', [1, 5, 7, 2], [7, 10], both, { scales: [1.5, 1.5] }),
    make('by 0.37, rounded down', [1, 20, 9, 1], [7, 3], both, { scales: [0.37, 0.37] }),
    make('channels in fours, by a root, rounded down', [1, 5, 9, 8], [7, 12], ['test'], {
      scales: [Math.SQRT2, Math.SQRT2],
    }),
    make('channels in fours, double', [2, 5, 4, 12], [10, 8]),
    make('many pixels of nine channels', [1, 40, 40, 9], [60, 50]),
    make('many pixels of channels in fours', [1, 40, 40, 16], [60, 50]),
    make('channels in fours, odd ratios', [1, 5, 6, 8], [13, 7]),
    make('channels in fours, smaller', [1, 9, 11, 4], [4, 5]),
    make('U-Net 28 to 56, N4', [4, 28, 28, 64], [56, 56], ['bench']),
    make('U-Net 32 to 64, N8', [8, 32, 32, 32], [64, 64], ['bench']),
  ];
  if (kind === 'nearest')
    return [...shared, make('2 to 82, where float32 rounds across a pixel', [1, 2, 2, 1], [82, 94])];
  return [
    ...shared,
    make('five channels, many pixels', [1, 33, 32, 5], [40, 37]),
    make('masks of 5 lesions, 24 to 96, N8', [8, 24, 24, 5], [96, 96], ['bench']),
    make('corners aligned', [2, 3, 2, 3], [6, 5], both, { alignCorners: true }),
    make('corners aligned, smaller', [1, 7, 5, 2], [3, 2], both, { alignCorners: true }),
    make('corners aligned, to one pixel', [1, 4, 3, 2], [1, 1], both, { alignCorners: true }),
    make('corners aligned, from one pixel', [1, 1, 2, 2], [3, 3], both, { alignCorners: true }),
    make('corners aligned, channels in fours', [1, 5, 6, 8], [13, 9], ['test'], { alignCorners: true }),
  ];
}
