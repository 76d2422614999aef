/** Short and long rows, one class, logits far apart. */
import type { Case, NoAttributes, Tolerance } from '../definition.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 4e-6,
  element: 1e-5,
  reason: 'WGSL grants exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1',
};

const FAR: Tolerance = {
  relativeL2: 1e-5,
  element: 2e-5,
  reason: 'exp of numbers near -80 may be off by 163 ulp (WGSL grants 3 + 2|x|)',
};

const softmaxCase = (name: string, shape: readonly number[], purpose: Case['purpose']): Case<NoAttributes> => ({
  name,
  inputs: [{ shape }],
  attributes: {},
  purpose,
  tolerance: EXPONENTIAL,
});

export const softmaxCases: readonly Case<NoAttributes>[] = [
  softmaxCase('tiny', [3, 5], ['test', 'gradient']),
  softmaxCase('one class', [4, 1], ['test', 'gradient']),
  softmaxCase('one row', [7], ['test', 'gradient']),
  softmaxCase('many rows', [2, 67, 3], ['test']),
  softmaxCase('eight classes', [70, 8], ['test']),
  softmaxCase('nine classes', [11, 9], ['test']),
  softmaxCase('long rows', [5, 301], ['test']),
  {
    name: 'far apart',
    inputs: [{ shape: [4, 3], fill: { values: [80, -80, 0, 80, 80, -80, -80, -80, -80, 1000, 999, -1000] } }],
    attributes: {},
    purpose: ['test'],
    tolerance: FAR,
  },
  softmaxCase('pixels of 5 classes, N4', [4, 128, 128, 5], ['bench']),
  softmaxCase('gate, N32', [32, 2], ['bench']),
];
