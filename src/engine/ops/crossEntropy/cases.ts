/** Every reduction, kind of weight and ignored row; few classes and many. */
import type { Case, CaseInput, Tolerance } from '../definition.ts';
import type { CrossEntropyAttributes } from './attributes.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 4e-6,
  element: 1e-5,
  reason: 'WGSL grants exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1; sums over rows in another order',
};

const SATURATED: Tolerance = {
  relativeL2: 1e-5,
  element: 2e-5,
  reason: 'exp of numbers near -80 may be off by 163 ulp (WGSL grants 3 + 2|x|)',
};

const labels = (values: readonly number[]): CaseInput => ({ shape: [values.length], dtype: 'i32', fill: { values } });
const weights = (values: readonly number[]): CaseInput => ({ shape: [values.length], fill: { values }, grad: false });

function rowsCase(
  name: string,
  columns: number,
  own: readonly number[],
  attributes: CrossEntropyAttributes = {},
  classWeights?: readonly number[],
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<CrossEntropyAttributes> {
  const inputs: CaseInput[] = [{ shape: [own.length, columns] }, labels(own)];
  if (classWeights) inputs.push(weights(classWeights));
  return { name, inputs, attributes, purpose, tolerance: EXPONENTIAL };
}

const cycled = (count: number, values: readonly number[]): number[] =>
  Array.from({ length: count }, (_, i) => values[(i * i + 3 * i) % values.length]);

const CLASS_WEIGHTS = [0.5, 2, 1, 0.25, 3];

export const crossEntropyCases: readonly Case<CrossEntropyAttributes>[] = [
  rowsCase('tiny', 5, [0, 4, 2]),
  rowsCase('ignored rows', 3, [2, -1, 0, -100, 1]),
  rowsCase('ignored class', 3, [2, 1, 0, 1], { ignoreIndex: 1 }),
  rowsCase('all rows ignored', 3, [-1, -1]),
  rowsCase('all rows ignored, sum', 3, [-1, -1], { reduction: 'sum', labelSmoothing: 0.1 }),
  rowsCase('class weights', 5, [4, 0, 1, -1], {}, CLASS_WEIGHTS),
  rowsCase('class weights of zero', 3, [0, 0], { labelSmoothing: 0.2 }, [0, 1, 2]),
  rowsCase('smoothing', 5, [4, 0, 1], { labelSmoothing: 0.1 }),
  rowsCase('smoothing and class weights', 5, [4, -1, 0, 1], { labelSmoothing: 0.1 }, CLASS_WEIGHTS),
  rowsCase(
    'smoothing and class weights, sum',
    5,
    [4, -1, 0, 1],
    { labelSmoothing: 0.3, reduction: 'sum' },
    CLASS_WEIGHTS,
  ),
  rowsCase(
    'smoothing and class weights, none',
    5,
    [4, -1, 0, 1],
    { labelSmoothing: 0.3, reduction: 'none' },
    CLASS_WEIGHTS,
  ),
  rowsCase('eight classes', 8, [7, 0, 3, -1], { labelSmoothing: 0.1 }, [...CLASS_WEIGHTS, 1, 0.5, 2]),
  rowsCase('none', 2, [1, 0, 1], { reduction: 'none' }),
  rowsCase('several workgroups', 3, cycled(700, [0, 1, 2, -1, 2]), { labelSmoothing: 0.1 }, [1, 2, 0.5], ['test']),
  rowsCase('several workgroups, none', 3, cycled(199, [0, 1, 2, -1]), { reduction: 'none' }, undefined, ['test']),
  rowsCase('many classes', 68, [67, 0, 31, -1, 4], {}),
  rowsCase(
    'many classes, smoothing and class weights',
    24,
    [23, 0, -1, -24, 7],
    { labelSmoothing: 0.2 },
    Array.from({ length: 24 }, (_, i) => 0.25 + (i % 5)),
    ['test'],
  ),
  rowsCase('many classes, none', 32, cycled(70, [0, 31, 17, -1, 5]), { reduction: 'none' }, undefined, ['test']),
  rowsCase(
    'many classes, many rows',
    68,
    cycled(1101, [67, 0, 31, -1, 4]),
    { labelSmoothing: 0.1 },
    Array.from({ length: 68 }, (_, i) => 0.25 + (i % 5)),
    ['test'],
  ),
  {
    name: 'many classes, one row',
    inputs: [{ shape: [1, 16] }, labels([9])],
    attributes: { reduction: 'sum' },
    purpose: ['test'],
    tolerance: EXPONENTIAL,
  },
  {
    name: 'pixels',
    inputs: [{ shape: [2, 3, 3, 4] }, { shape: [2, 3, 3], dtype: 'i32', fill: { integersBelow: 4 } }],
    attributes: {},
    purpose: ['test', 'gradient'],
    tolerance: EXPONENTIAL,
  },
  {
    name: 'logits of 80',
    inputs: [
      { shape: [4, 3], fill: { values: [80, -80, 0, 80, -80, 0, 80, 80, 80, -80, -80, 80] } },
      labels([0, 1, 2, 1]),
    ],
    attributes: { labelSmoothing: 0.1 },
    purpose: ['test'],
    tolerance: SATURATED,
  },
  {
    name: 'ImageNet classes, N4096',
    inputs: [{ shape: [4096, 1000] }, { shape: [4096], dtype: 'i32', fill: { integersBelow: 1000 } }],
    attributes: {},
    purpose: ['bench'],
  },
  rowsCase('grades, N32', 5, cycled(32, [0, 1, 2, 3, 4, -1]), { labelSmoothing: 0.1 }, CLASS_WEIGHTS, ['bench']),
  {
    name: 'pixels of 5 classes, N4',
    inputs: [{ shape: [4, 128, 128, 5] }, { shape: [4, 128, 128], dtype: 'i32', fill: { integersBelow: 5 } }],
    attributes: {},
    purpose: ['bench'],
  },
];
