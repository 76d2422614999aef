import { defineOp } from '../definition.ts';
import { layerNormCases } from './cases.ts';
import {
  type LayerNormAttributes,
  layerNormGradInputProgram,
  layerNormGradParametersProgram,
  layerNormProgram,
} from './program.ts';

/**
 * Layer normalisation over the last axis, as torch.nn.LayerNorm (Ba, Kiros and Hinton 2016): inputs x [..., C], weight [C], bias [C];
 * biased variance, eps inside the square root.
 */
export const layerNorm = defineOp<LayerNormAttributes>({
  name: 'layerNorm',
  forward: layerNormProgram,
  programs: [layerNormGradInputProgram, layerNormGradParametersProgram],
  gradient: {
    saves: { inputs: [0, 1], outputs: [1, 2] },
    backward(context) {
      const [x, weight, mean, rstd] = [context.input(0), context.input(1), context.output(1), context.output(2)];
      const { gradOutput } = context;
      const parameters = context.needs(1) || context.needs(2);
      const [gradX] = context.needs(0)
        ? context.run(layerNormGradInputProgram, [gradOutput, x, weight, mean, rstd], {})
        : [null];
      const [gradWeight, gradBias] = parameters
        ? context.run(layerNormGradParametersProgram, [gradOutput, x, mean, rstd], {})
        : [null, null];
      return [gradX, gradWeight, gradBias];
    },
  },
  cases: layerNormCases,
});
