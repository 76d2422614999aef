/** The op of the soft Dice loss: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { SoftDiceAttributes } from './attributes.ts';
import { softDiceCases } from './cases.ts';
import { softDiceBackwardProgram, softDiceProgram } from './program.ts';

/**
 * Soft Dice loss of predictions [N, ..., C] (logits or probabilities) against targets in [0, 1] of that shape, optionally with sample
 * weights [N]: 1 - the mean of (2 I + smooth) / (P + T + smooth), I = sum of p t, P = sum of p, T = sum of t; the denominator is held
 * above 1e-7. The mean is over classes and (perSample) over samples by weight, else the sums run over the whole batch with each
 * sample's terms weighed, as DiceLoss('multilabel') of segmentation_models.pytorch with `ignoreEmptyClasses`. No weight: 0, no gradient.
 * Tversky weights (Salehi et al. 2017) turn the denominator into 2 (1 - alpha - beta) I + 2 alpha P + 2 beta T + smooth, that is twice
 * I + alpha FP + beta FN + smooth / 2.
 */
export const softDice = defineOp<SoftDiceAttributes>({
  name: 'softDice',
  forward: softDiceProgram,
  programs: [softDiceBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1], outputs: [1] },
    backward(context) {
      const { inputSpecs } = context;
      if (!context.needs(0)) return inputSpecs.map(() => null);
      const inputs = [context.gradOutput, context.input(0), context.input(1), context.output(1)];
      const [gradX] = context.run(softDiceBackwardProgram, inputs, context.attributes);
      return [gradX, ...inputSpecs.slice(1).map(() => null)];
    },
  },
  cases: softDiceCases,
});
