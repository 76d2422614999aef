/** The op of depthwise convolution: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { Value } from '../value.ts';
import type { DepthwiseAttributes } from './attributes.ts';
import { depthwiseCases } from './cases.ts';
import { depthwiseGradInputProgram, depthwiseGradWeightProgram, depthwiseProgram } from './program.ts';

/**
 * A convolution of each channel by itself, ConvNeXt's token mixer. Inputs: x [N, H, W, C], weight [KH, KW, C] (PyTorch's
 * [C, 1, KH, KW] with axes permuted by (2, 3, 1, 0), the axis of 1 dropped), bias [C] (may be left out).
 */
export const depthwiseConv2d = defineOp<DepthwiseAttributes>({
  name: 'depthwiseConv2d',
  forward: depthwiseProgram,
  programs: [depthwiseGradInputProgram, depthwiseGradWeightProgram],
  gradient: {
    saves: { inputs: [0, 1] },
    backward(context) {
      const { attributes, inputSpecs, gradOutput } = context;
      const [, height, width] = inputSpecs[0].shape;
      const [kernelHeight, kernelWidth] = inputSpecs[1].shape;
      const inputGradient = (): Value => {
        // Of a block that ends in its own input again: what came back that way is added on the way.
        const addend = context.takePending(0);
        return context.run(depthwiseGradInputProgram, [gradOutput, context.input(1), ...(addend ? [addend] : [])], {
          ...attributes,
          inputSize: [height, width],
        })[0];
      };
      const wantsBias = inputSpecs.length > 2 && context.needs(2);
      const parameters =
        context.needs(1) || wantsBias
          ? context.run(depthwiseGradWeightProgram, [context.input(0), gradOutput], {
              ...attributes,
              kernel: [kernelHeight, kernelWidth],
            })
          : null;
      return [
        context.needs(0) ? inputGradient() : null,
        parameters && context.needs(1) ? parameters[0] : null,
        parameters && wantsBias ? parameters[1] : null,
      ];
    },
  },
  cases: depthwiseCases,
});
