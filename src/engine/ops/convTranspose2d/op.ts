/** The op of transposed convolution: gradient and cases. */
import { biasGradient, gradientBeforeActivation } from '../conv2d/op.ts';
import { conv2dProgram, gradWeightProgram } from '../conv2d/program.ts';
import { defineOp } from '../definition.ts';
import type { TransposedAttributes } from './attributes.ts';
import { convTranspose2dCases } from './cases.ts';
import { convTranspose2dProgram } from './program.ts';

/**
 * Transposed convolution, the upsampling of decoders: what conv2d's input gradient computes, as an op. Inputs: x [N, H, W, C],
 * weight [KH, KW, out / groups, C] (PyTorch's [C, out / groups, KH, KW] with axes permuted by (2, 3, 1, 0)), bias [out] (may be
 * left out). So its own input gradient is a convolution.
 */
export const convTranspose2d = defineOp<TransposedAttributes>({
  name: 'convTranspose2d',
  forward: convTranspose2dProgram,
  programs: [conv2dProgram, gradWeightProgram],
  gradient: {
    // relu's gradient reads the result; nothing else needs it.
    saves: ({ activation }) => ({ inputs: [0, 1], outputs: activation === 'relu' ? [0] : [] }),
    backward(context) {
      const { activation: _, outputPadding: __, ...placement } = context.attributes;
      const [kernelHeight, kernelWidth] = context.inputSpecs[1].shape;
      const gradient = gradientBeforeActivation(context);
      return [
        context.needs(0) ? context.run(conv2dProgram, [gradient, context.input(1)], placement)[0] : null,
        context.needs(1)
          ? context.run(gradWeightProgram, [gradient, context.input(0)], {
              ...placement,
              kernel: [kernelHeight, kernelWidth],
            })[0]
          : null,
        biasGradient(context, gradient),
      ];
    },
  },
  cases: convTranspose2dCases,
});
