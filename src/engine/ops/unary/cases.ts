/** Odd and even counts, groups of four, one element, arguments far out. */
import { type Case, ELEMENTWISE_TOLERANCE, type Tolerance } from '../definition.ts';
import type { UnaryAttributes, UnaryName } from './attributes.ts';

const CURVED: Tolerance = {
  relativeL2: 2e-6,
  element: 4e-6,
  reason: 'erf is good to 1.5e-7 absolute; WGSL grants tanh and exp several ulp (3 + 2|x| for exp)',
};

const LOG: Tolerance = {
  relativeL2: 2e-6,
  element: 4e-6,
  reason: 'WGSL grants log an absolute error of 2^-21 in [0.5, 2]',
};

/** Those without a transcendental function. */
const PLAIN: readonly UnaryName[] = ['relu', 'affine', 'square', 'abs'];

/** Those whose stores of whole groups are tested: all functions share them, and each is a kernel more to compile. */
const WHOLE: readonly UnaryName[] = ['gelu', 'relu', 'affine'];

export function unaryCases(name: UnaryName): readonly Case<UnaryAttributes>[] {
  const fill = ['log', 'sqrt', 'pow'].includes(name) ? 'positive' : 'normal';
  const tolerance = name === 'log' ? LOG : PLAIN.includes(name) ? ELEMENTWISE_TOLERANCE : CURVED;
  const attributes: UnaryAttributes =
    name === 'affine' ? { scale: -1.5, shift: 0.25 } : name === 'pow' ? { scale: 2.5 } : {};
  const inputs = (shape: readonly number[]) => [{ shape, fill } as const];
  return [
    { name: 'tiny', inputs: inputs([2, 3]), attributes, purpose: ['test', 'gradient'], tolerance },
    { name: 'one element', inputs: inputs([]), attributes, purpose: ['test'], tolerance },
    { name: 'odd count', inputs: inputs([7, 13, 11]), attributes, purpose: ['test'], tolerance },
    {
      name: 'in fours, several turns',
      inputs: inputs([36, 64]),
      attributes,
      purpose: WHOLE.includes(name) ? ['test'] : [],
      tolerance,
    },
    {
      name: 'far out',
      inputs: [
        {
          shape: [10],
          fill: {
            values:
              name === 'log' || name === 'sqrt'
                ? [1e-6, 1e-3, 0.1, 1, 2, 10, 100, 1e4, 1e6, 3]
                : [-30, -9, -4.2, -1, -0.01, 0.01, 1, 4.2, 9, 30],
          },
        },
      ],
      attributes: name === 'pow' ? { scale: -3 } : attributes,
      purpose: name === 'exp' ? [] : ['test'],
      tolerance,
    },
    { name: 'ConvNeXt-T stage 1 hidden, N4', inputs: inputs([4, 56, 56, 384]), attributes, purpose: ['bench'] },
  ];
}
