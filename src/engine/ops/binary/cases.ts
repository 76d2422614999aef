/** Cases of the binary operations. */
import { type Case, type CaseInput, ELEMENTWISE_TOLERANCE, type NoAttributes } from '../definition.ts';
import type { BinaryName } from './attributes.ts';

function binaryCase(
  op: BinaryName,
  name: string,
  a: readonly number[],
  b: readonly number[],
  purpose: Case['purpose'] = ['test'],
): Case<NoAttributes> {
  // Divisors stay away from zero, where a float32 quotient has no useful bound.
  const inputs: CaseInput[] = [{ shape: a }, { shape: b, fill: op === 'div' ? 'positive' : 'normal' }];
  return { name, inputs, attributes: {}, purpose, tolerance: ELEMENTWISE_TOLERANCE };
}

/** Shapes that reach each way of walking an operand, odd ones that reach none, and the residual and bias of ConvNeXt. */
export function binaryCases(op: BinaryName): readonly Case<NoAttributes>[] {
  return [
    binaryCase(op, 'same shape', [2, 3, 4], [2, 3, 4], ['test', 'gradient']),
    binaryCase(op, 'same shape, odd count', [3, 5, 7], [3, 5, 7]),
    binaryCase(op, 'scalar on the right', [6, 4], [], ['test', 'gradient']),
    binaryCase(op, 'scalar on the left', [1], [5, 3], ['test', 'gradient']),
    binaryCase(op, 'trailing vector', [6, 5, 8], [8]),
    binaryCase(op, 'trailing vector, odd', [4, 5], [5], ['test', 'gradient']),
    binaryCase(op, 'one number a sample', [3, 2, 2, 4], [3, 1, 1, 1], ['test', 'gradient']),
    binaryCase(op, 'a row a sample', [3, 5, 4], [3, 1, 4], ['test', 'gradient']),
    binaryCase(op, 'channels a sample', [3, 5, 8], [3, 1, 8]),
    binaryCase(op, 'trailing vector on the left, several turns', [12], [9, 65, 12]),
    binaryCase(op, 'channels a sample, several turns', [3, 200, 12], [3, 1, 12]),
    binaryCase(op, 'one number a sample, several turns', [50, 5, 4], [50, 1, 1]),
    binaryCase(op, 'leading ones around a stretch, several turns', [40, 3, 2, 4], [1, 3, 1, 4]),
    binaryCase(op, 'rank 6, several turns', [3, 1, 5, 1, 2, 7], [3, 3, 1, 5, 2, 1]),
    binaryCase(op, 'leading ones around a stretch', [2, 3, 2, 4], [1, 3, 1, 4]),
    binaryCase(op, 'stretched between stretches', [2, 3, 2, 3, 4], [2, 1, 2, 1, 4]),
    binaryCase(op, 'both stretch', [3, 1, 4], [1, 2, 1], ['test', 'gradient']),
    binaryCase(op, 'rank 6', [2, 1, 3, 1, 2, 2], [2, 2, 1, 3, 1, 2]),
    binaryCase(op, 'many elements', [17, 64, 64], [17, 64, 64]),
    binaryCase(op, 'residual, ConvNeXt-T stage 1, N4', [4, 56, 56, 96], [4, 56, 56, 96], ['bench']),
    binaryCase(op, 'bias, ConvNeXt-T stage 1, N4', [4, 56, 56, 384], [384], ['bench']),
  ];
}

/** Equal and unequal numbers, in the walks of the arithmetic; comparisons have no gradient. */
export const comparisonCases: readonly Case<NoAttributes>[] = binaryCases('sub').map((testCase) => ({
  ...testCase,
  purpose: testCase.purpose.filter((purpose) => purpose !== 'gradient'),
  inputs: testCase.inputs.map((input): CaseInput => ({ ...input, fill: { integersBelow: 3 } })),
}));
