/** Rows of every length, few and many, means far from zero. */
import { type Case, SUM_TOLERANCE, type Tolerance } from '../definition.ts';
import type { LayerNormAttributes } from './attributes.ts';

const NORM: Tolerance = {
  relativeL2: 4e-6,
  element: 2e-5,
  reason: 'float32 rounding of row sums, once more in the variance; inverseSqrt is good to 2 ulp',
};

const FAR: Tolerance = {
  relativeL2: 2e-4,
  element: 5e-4,
  reason:
    'a mean of 1000 is known to 6e-5 in float32, against a standard deviation of 1; E[x²] - mean² would be off by 0.1',
};

const FAR_VALUES = Array.from({ length: 3 * 40 }, (_, i) => 1000 + 1.5 * Math.sin(i * 2.3));

function normCase(
  name: string,
  shape: readonly number[],
  purpose: Case['purpose'],
  tolerance: Tolerance = NORM,
  values?: readonly number[],
): Case<LayerNormAttributes> {
  const columns = shape[shape.length - 1];
  return {
    name,
    inputs: [
      values ? { shape, fill: { values } } : { shape },
      { shape: [columns], fill: 'positive' },
      { shape: [columns] },
    ],
    attributes: { eps: 1e-6 },
    purpose,
    tolerance,
  };
}

/** Row lengths in fours and not, shorter and longer than the 32 lanes of a row; many rows (several per thread) and one. */
export const layerNormCases: readonly Case<LayerNormAttributes>[] = [
  normCase('tiny', [3, 5], ['test', 'gradient']),
  normCase('tiny, in fours', [2, 2, 8], ['test', 'gradient']),
  normCase('one row', [33], ['test']),
  normCase('one column', [5, 1], ['test'], SUM_TOLERANCE),
  normCase('odd rows and columns', [7, 13, 37], ['test']),
  normCase('more rows than threads', [1100, 44], ['test']),
  normCase('pairs of rows, some past the last', [16_387, 20], ['test']),
  normCase('long rows', [9, 772], ['test']),
  normCase('a mean far from zero', [3, 40], ['test'], FAR, FAR_VALUES),
  normCase('ConvNeXt-T stage 1, N4', [12_544, 96], ['bench']),
  normCase('ConvNeXt-T stage 2, N4', [3136, 192], ['bench']),
  normCase('ConvNeXt-T stage 4, N4', [196, 768], ['bench']),
];
