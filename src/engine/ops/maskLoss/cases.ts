/** Sums per sample and over the batch, empty classes, Tversky and positive weights, far logits. */
import type { Case, Tolerance } from '../definition.ts';
import type { MaskLossAttributes } from './attributes.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 5e-6,
  element: 1e-5,
  reason:
    'WGSL grants exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1; sums of some thousand terms in another order',
};

function maskCase(
  name: string,
  shape: readonly number[],
  purpose: Case['purpose'],
  attributes: Partial<MaskLossAttributes> = {},
  settings: { posWeight?: readonly number[]; empty?: number; values?: readonly number[] } = {},
): Case<MaskLossAttributes> {
  const { posWeight, empty, values } = settings;
  const channels = shape[shape.length - 1];
  const size = shape.reduce((a, b) => a * b, 1);
  const masks = Array.from({ length: size }, (_, i) => (i % channels !== empty && (i * i + 5 * i) % 7 < 3 ? 1 : 0));
  return {
    name,
    inputs: [
      { shape, fill: values ? { values } : 'normal' },
      { shape, fill: { values: masks }, grad: false },
      ...(posWeight ? [{ shape: [channels], fill: { values: posWeight }, grad: false }] : []),
    ],
    attributes: { bceWeight: 1, diceWeight: 1, ...attributes },
    purpose,
    tolerance: EXPONENTIAL,
  };
}

export const maskLossCases: readonly Case<MaskLossAttributes>[] = [
  maskCase('tiny', [2, 3], ['test', 'gradient']),
  maskCase('per sample and class, weighed', [2, 2, 3], ['test', 'gradient'], {
    bceWeight: 0.5,
    diceWeight: 2,
    smooth: 1,
  }),
  maskCase('positive weights', [3, 4, 2], ['test', 'gradient'], { smooth: 1e-5 }, { posWeight: [12, 0.5] }),
  maskCase(
    'batch-wide, an empty class',
    [2, 5, 3],
    ['test', 'gradient'],
    { perSample: false, ignoreEmptyClasses: true },
    {
      empty: 1,
    },
  ),
  maskCase('flattened', [2, 4, 3], ['test', 'gradient'], { perSample: false, flattenClasses: true, smooth: 1e-6 }),
  maskCase('flattened, per sample, Tversky', [2, 4, 3], ['test', 'gradient'], {
    flattenClasses: true,
    alpha: 0.3,
    beta: 0.7,
  }),
  maskCase(
    'Tversky, an empty class',
    [2, 6, 2],
    ['test', 'gradient'],
    { alpha: 0.2, beta: 0.8, smooth: 1 },
    { empty: 0 },
  ),
  maskCase('logits of 80', [2, 4], ['test'], { smooth: 1 }, { values: [80, -80, 1000, -1000, 10, -10, 0, 5] }),
  maskCase('several turns, odd', [3, 37, 29, 5], ['test'], { smooth: 1 }, { posWeight: [2, 5, 1, 0.5, 3] }),
  maskCase('several turns, in fours, batch-wide', [3, 32, 30, 5], ['test'], { perSample: false, smooth: 1 }),
  maskCase('one sample, many rows', [1, 80, 40, 2], ['test'], { smooth: 1 }),
  maskCase('lesion maps, N8', [8, 128, 128, 5], ['bench'], { smooth: 1 }, { posWeight: [2, 5, 1, 0.5, 3] }),
];
