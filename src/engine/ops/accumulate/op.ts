import { defineOp, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { accumulateProgram } from './program.ts';

const inputs = (shape: readonly number[]) => [{ shape }, { shape }];

/** target += scale * x, in place: how gradients add up. */
export const accumulate = defineOp<{ readonly scale?: number }>({
  name: 'accumulate',
  forward: accumulateProgram,
  gradient: { none: 'it changes its first input in place; the engine uses it to add up gradients' },
  half: 'all',
  cases: [
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
  ],
});
