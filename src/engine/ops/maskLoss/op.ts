/** The op of the joint loss of masks: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { MaskLossAttributes } from './attributes.ts';
import { maskLossCases } from './cases.ts';
import { maskLossBackwardProgram, maskLossProgram } from './program.ts';

/**
 * bceWeight * BCE + diceWeight * Dice of logits [N, ..., C] against targets in [0, 1] of that shape, optionally with positive weights [C]: the mean
 * of bceWithLogits and the mean of softDice in one walk over the data, and one for the gradient. Both losses by themselves are its
 * second and third outputs. What it has not: a focal cross entropy, sample weights, squared denominators, one loss per sample; those
 * are bceWithLogits' and softDice's.
 */
export const maskLoss = defineOp<MaskLossAttributes>({
  name: 'maskLoss',
  forward: maskLossProgram,
  programs: [maskLossBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1, 2], outputs: [3] },
    backward(context) {
      const { inputSpecs } = context;
      if (!context.needs(0)) return inputSpecs.map(() => null);
      const inputs = [context.gradOutput, context.input(0), context.input(1), context.output(3)];
      if (inputSpecs.length > 2) inputs.push(context.input(2));
      const [gradLogits] = context.run(maskLossBackwardProgram, inputs, context.attributes);
      return [gradLogits, ...inputSpecs.slice(1).map(() => null)];
    },
  },
  cases: maskLossCases,
});
