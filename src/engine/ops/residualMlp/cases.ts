/** With and without gradients and factor, channels in fours and not, past whole tiles. */
import type { Shape } from '../../tensor/spec.ts';
import type { Case, NoAttributes, Tolerance } from '../definition.ts';

const HALF_TOLERANCE: Tolerance = {
  relativeL2: 3e-4,
  element: 1e-3,
  reason:
    'gelu(...) between the products, and gamma times a weight, are stored in float16: 2^-11 of each term of a sum',
};

function mlpCase(
  name: string,
  x: Shape,
  hidden: number,
  options: { factor?: boolean; grad?: boolean },
  purpose: Case['purpose'],
): Case<NoAttributes> {
  const [samples, channels] = [x[0], x.at(-1) ?? 0];
  const { factor = false, grad = true } = options;
  const shapes = [x, x, [hidden, channels], [hidden], [channels, hidden], [channels], [channels]];
  return {
    name,
    inputs: [
      ...shapes.map((shape) => ({ shape, grad })),
      ...(factor ? [{ shape: [samples], fill: 'uniform' as const, grad: false }] : []),
    ],
    attributes: {},
    purpose,
    halfTolerance: HALF_TOLERANCE,
  };
}

export const residualMlpCases: readonly Case<NoAttributes>[] = [
  mlpCase('tiny', [2, 1, 2, 3], 5, {}, ['test', 'gradient']),
  mlpCase('tiny, factor', [3, 2, 4], 8, { factor: true }, ['test', 'gradient']),
  mlpCase('channels in fours, past whole tiles', [2, 5, 7, 12], 68, { factor: true }, ['test']),
  mlpCase('many rows', [1100, 8], 32, {}, ['test']),
  mlpCase('no gradient', [3, 11, 8], 20, { factor: true, grad: false }, ['test']),
  mlpCase('ConvNeXt-A stage 1, 32x32, N8', [8, 32, 32, 40], 160, {}, ['bench']),
  mlpCase('ConvNeXt-A stage 3, 8x8, N8', [8, 8, 8, 160], 640, {}, ['bench']),
  mlpCase('ConvNeXt-A stage 3, no gradient', [8, 8, 8, 160], 640, { grad: false }, ['bench']),
  mlpCase('ConvNeXt-T stage 2, N4', [4, 28, 28, 192], 768, { factor: true }, ['bench']),
];
