/** Training and evaluation, channels in fours and not, few rows and many, means far from zero. */
import type { Case, Tolerance } from '../definition.ts';
import type { BatchNormAttributes } from './attributes.ts';

const NORM: Tolerance = {
  relativeL2: 5e-6,
  element: 2e-5,
  reason:
    'float32 rounding of sums over up to some thousand rows, once more in the variance; inverseSqrt is good to 2 ulp',
};

const FAR: Tolerance = {
  relativeL2: 2e-4,
  element: 5e-4,
  reason:
    'a mean of 1000 is known to 6e-5 in float32, against a standard deviation of 1; E[x²] - mean² would be off by 0.1',
};

function normCase(
  name: string,
  shape: readonly number[],
  attributes: BatchNormAttributes,
  purpose: Case['purpose'],
  tolerance: Tolerance = NORM,
  values?: readonly number[],
  optional: readonly ('batches' | 'residual')[] = [],
): Case<BatchNormAttributes> {
  const vector = [shape[shape.length - 1]];
  return {
    name,
    inputs: [
      values ? { shape, fill: { values } } : { shape },
      { shape: vector, fill: 'positive' },
      { shape: vector },
      { shape: vector, grad: false },
      { shape: vector, fill: 'positive', grad: false },
      ...optional.map((name) => (name === 'batches' ? ({ shape: [], fill: 'ones', grad: false } as const) : { shape })),
    ],
    attributes,
    purpose,
    tolerance,
  };
}

const TRAIN: BatchNormAttributes = { training: true };

const EVAL: BatchNormAttributes = { training: false };

/** A case that ends in relu. Its input is far enough from relu's corner for central differences. */
function reluCase(
  name: string,
  shape: readonly number[],
  training: boolean,
  purpose: Case['purpose'],
  optional: readonly ('batches' | 'residual')[] = [],
): Case<BatchNormAttributes> {
  return normCase(name, shape, { training, activation: 'relu' }, purpose, NORM, undefined, optional);
}

/** One channel at -1000, one at 1000, one near 0. */
const FAR_VALUES = Array.from({ length: 120 * 3 }, (_, i) => ((i % 3) - 1) * 1000 + 1.5 * Math.sin(i * 2.3));

export const batchNormCases: readonly Case<BatchNormAttributes>[] = [
  normCase('training, tiny', [2, 2, 3, 3], TRAIN, ['test', 'gradient']),
  normCase('training, tiny, in fours', [5, 4], TRAIN, ['test', 'gradient']),
  normCase('training, two values a channel', [2, 4], { training: true, eps: 1e-3, momentum: 0.3 }, ['test']),
  normCase('training, many rows, odd', [3, 37, 29, 5], TRAIN, ['test']),
  normCase('training, many rows, in fours', [2, 31, 33, 12], TRAIN, ['test']),
  normCase('training, rows for several workgroups', [2, 71, 73, 8], TRAIN, ['test']),
  normCase('training, more channels than a workgroup', [3, 7, 68], TRAIN, ['test']),
  normCase('training, means far from zero', [120, 3], TRAIN, ['test'], FAR, FAR_VALUES),
  normCase('eval, tiny', [2, 3, 3], EVAL, ['test', 'gradient']),
  normCase('eval, one row', [1, 4], EVAL, ['test', 'gradient']),
  normCase('eval, many rows, in fours', [2, 31, 33, 12], EVAL, ['test']),
  reluCase('training, tiny, relu', [2, 3, 3, 3], true, ['test', 'gradient']),
  reluCase('training, tiny, relu and residual', [3, 2, 4], true, ['test', 'gradient'], ['batches', 'residual']),
  reluCase('training, many rows, odd, relu', [3, 37, 29, 5], true, ['test'], ['batches']),
  reluCase(
    'training, rows for several workgroups, relu and residual',
    [2, 71, 73, 8],
    true,
    ['test'],
    ['batches', 'residual'],
  ),
  reluCase('eval, tiny, relu and residual', [2, 3, 4], false, ['test', 'gradient'], ['batches', 'residual']),
  normCase('training, ResNet stage 1, N4', [4, 56, 56, 64], TRAIN, ['bench']),
  normCase('training, decoder block 4, N2', [2, 128, 128, 32], TRAIN, ['bench']),
  reluCase(
    'training, ResNet stage 1, N4, relu and residual',
    [4, 56, 56, 64],
    true,
    ['bench'],
    ['batches', 'residual'],
  ),
  normCase('eval, ResNet stage 1, N4', [4, 56, 56, 64], EVAL, ['bench']),
];
