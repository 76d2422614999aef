/** Sums of odd and even counts, scaled and of mixed element types. */
import { type Case, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import type { AccumulateAttributes } from './attributes.ts';

const inputs = (shape: readonly number[]) => [{ shape }, { shape }];

export const accumulateCases: readonly Case<AccumulateAttributes>[] = [
  {
    name: 'f16 into f32',
    inputs: [{ shape: [3, 7] }, { shape: [3, 7], dtype: 'f16' }],
    attributes: {},
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  { name: 'odd count', inputs: inputs([3, 7]), attributes: {}, purpose: ['test'], tolerance: ELEMENTWISE_TOLERANCE },
  {
    name: 'scaled',
    inputs: inputs([64, 33]),
    attributes: { scale: -0.5 },
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  { name: 'ConvNeXt-T stage 1, N4', inputs: inputs([4, 56, 56, 96]), attributes: {}, purpose: ['bench'] },
];
