/** The op of layer normalization: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { LayerNormAttributes } from './attributes.ts';
import { layerNormCases } from './cases.ts';
import { layerNormBackwardProgram, layerNormProgram } from './program.ts';

/**
 * Layer normalization over the last axis, as torch.nn.LayerNorm (Ba, Kiros and Hinton 2016): inputs x [..., C], weight [C], bias [C];
 * biased variance, eps inside the square root.
 */
export const layerNorm = defineOp<LayerNormAttributes>({
  name: 'layerNorm',
  forward: layerNormProgram,
  programs: [layerNormBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1], outputs: [1, 2] },
    backward(context) {
      const [x, weight, mean, rstd] = [context.input(0), context.input(1), context.output(1), context.output(2)];
      // Parameters that need no gradient are rare, and theirs cost next to nothing beside gradX.
      return context.run(layerNormBackwardProgram, [context.gradOutput, x, weight, mean, rstd], {});
    },
  },
  cases: layerNormCases,
});
