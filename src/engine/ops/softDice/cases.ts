/** Sums per sample, over the batch and over classes, weights, squares, Tversky, empty classes, far logits. */
import type { Case, CaseInput, Tolerance } from '../definition.ts';
import type { SoftDiceAttributes } from './attributes.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 5e-6,
  element: 1e-5,
  reason: 'WGSL grants exp 3 + 2|x| ulp; sums of some thousand terms in another order',
};

/** Targets 0 and 1 of which class `empty` has no positives. */
function masks(shape: readonly number[], empty?: number): CaseInput {
  const channels = shape[shape.length - 1];
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: size }, (_, i) => (i % channels !== empty && (i * i + 5 * i) % 7 < 3 ? 1 : 0));
  return { shape, fill: { values }, grad: false };
}

function diceCase(
  name: string,
  shape: readonly number[],
  purpose: Case['purpose'],
  attributes: SoftDiceAttributes = {},
  settings: { sampleWeights?: readonly number[]; empty?: number; values?: readonly number[] } = {},
): Case<SoftDiceAttributes> {
  const { sampleWeights, empty, values } = settings;
  const fill = values ? ({ values } as const) : attributes.fromLogits === false ? 'uniform' : 'normal';
  return {
    name,
    inputs: [
      { shape, fill },
      masks(shape, empty),
      ...(sampleWeights
        ? [{ shape: [sampleWeights.length], fill: { values: sampleWeights }, grad: false } as const]
        : []),
    ],
    attributes,
    purpose,
    tolerance: EXPONENTIAL,
  };
}

const SMP: SoftDiceAttributes = { perSample: false, ignoreEmptyClasses: true };

const FLAT: SoftDiceAttributes = { perSample: false, flattenClasses: true, smooth: 1e-6 };

export const softDiceCases: readonly Case<SoftDiceAttributes>[] = [
  diceCase('tiny', [2, 3, 2], ['test', 'gradient'], { smooth: 1e-5 }),
  diceCase('probabilities', [2, 5, 3], ['test', 'gradient'], { smooth: 1, fromLogits: false }),
  diceCase('squares', [2, 5, 3], ['test', 'gradient'], { smooth: 1, squaredDenominator: true }),
  diceCase('squares of probabilities', [1, 2, 2, 1], ['test', 'gradient'], {
    fromLogits: false,
    squaredDenominator: true,
  }),
  diceCase('sample weights', [3, 4, 2], ['test', 'gradient'], { smooth: 1e-5 }, { sampleWeights: [1, 0, 2] }),
  diceCase('no weight', [2, 3, 2], ['test', 'gradient'], { smooth: 1e-5 }, { sampleWeights: [0, 0] }),
  diceCase('batch-wide', [3, 4, 2], ['test', 'gradient'], { smooth: 1e-6, perSample: false }),
  diceCase('batch-wide, sample weights', [3, 4, 2], ['test', 'gradient'], SMP, { sampleWeights: [1, 0, 2.5] }),
  diceCase('batch-wide, empty class', [2, 4, 3], ['test', 'gradient'], SMP, { empty: 1 }),
  diceCase('empty class', [2, 4, 3], ['test', 'gradient'], { ignoreEmptyClasses: true, smooth: 1e-5 }, { empty: 2 }),
  diceCase('empty class, smoothed', [2, 4, 3], ['test', 'gradient'], { smooth: 1e-5 }, { empty: 2 }),
  diceCase('Tversky', [2, 4, 3], ['test', 'gradient'], { smooth: 1, alpha: 0.3, beta: 0.7 }),
  diceCase('Tversky of squares', [2, 4, 2], ['test', 'gradient'], {
    smooth: 1e-3,
    alpha: 0.6,
    beta: 0.9,
    squaredDenominator: true,
  }),
  diceCase(
    'Tversky, batch-wide, sample weights',
    [3, 4, 2],
    ['test', 'gradient'],
    { ...SMP, beta: 2 },
    {
      sampleWeights: [1, 0, 2.5],
    },
  ),
  diceCase(
    'Tversky of false negatives alone, nothing there',
    [2, 4, 3],
    ['test'],
    { alpha: 0, beta: 1 },
    {
      empty: 1,
    },
  ),
  diceCase('all flattened', [2, 3, 3], ['test', 'gradient'], FLAT),
  diceCase('all flattened, Tversky', [2, 2, 4], ['test', 'gradient'], {
    ...FLAT,
    alpha: 0.2,
    beta: 0.8,
  }),
  diceCase(
    'classes flattened per sample, sample weights',
    [3, 5, 3],
    ['test', 'gradient'],
    {
      flattenClasses: true,
      smooth: 1,
    },
    { sampleWeights: [1, 0, 2] },
  ),
  diceCase('all flattened, several turns', [2, 37, 29, 5], ['test'], FLAT),
  diceCase('one loss a class and sample', [3, 4, 2], ['test', 'gradient'], { smooth: 1e-5, reduction: 'none' }),
  diceCase(
    'one loss a class and sample, Tversky, empty class',
    [2, 5, 3],
    ['test', 'gradient'],
    {
      smooth: 1e-5,
      alpha: 0.3,
      beta: 0.7,
      ignoreEmptyClasses: true,
      reduction: 'none',
    },
    { empty: 1 },
  ),
  diceCase('one loss a class and sample, more than lanes', [23, 4, 5], ['test'], { smooth: 1e-5, reduction: 'none' }),
  diceCase('logits of 80', [1, 4, 2], ['test'], { smooth: 1e-5 }, { values: [80, -80, -80, 80, 1000, -1000, 2, -3] }),
  diceCase('several turns, odd', [3, 37, 29, 5], ['test'], { smooth: 1e-5 }, { sampleWeights: [1, 0.5, 2] }),
  diceCase('several turns, in fours', [3, 32, 30, 5], ['test'], SMP, { empty: 3 }),
  diceCase('more groups than lanes', [23, 3, 5], ['test'], { smooth: 1e-5 }),
  diceCase('one class', [2, 40, 41, 1], ['test'], { smooth: 1e-6, perSample: false }),
  {
    name: 'lesion maps, N8',
    inputs: [{ shape: [8, 128, 128, 5] }, { shape: [8, 128, 128, 5], fill: { integersBelow: 2 } }],
    attributes: { smooth: 1e-5 },
    purpose: ['bench'],
  },
];
