/** The op of convolution: gradient and cases. */
import { type BackwardContext, defineOp } from '../definition.ts';
import { sumProgram } from '../reduce/program.ts';
import { unaryOps } from '../unary/op.ts';
import type { Value } from '../value.ts';
import type { ConvolutionAttributes } from './attributes.ts';
import { conv2dCases } from './cases.ts';
import { conv2dProgram, gradInputProgram, gradWeightProgram } from './program.ts';

const [reluBackwardProgram] = unaryOps.relu.programs!;

/** The gradient before the activation. relu's is 0 where its result is 0, so the result is all it takes. */
export function gradientBeforeActivation(context: BackwardContext<ConvolutionAttributes>): Value {
  if (context.attributes.activation !== 'relu') return context.gradOutput;
  return context.run(reluBackwardProgram, [context.gradOutput, context.output(0)], {})[0];
}

/** The gradient of a bias over channels, the last axis: null where there is no bias or none is wanted. */
export function biasGradient(context: BackwardContext<ConvolutionAttributes>, gradient: Value): Value | null {
  if (context.inputSpecs.length < 3 || !context.needs(2)) return null;
  return context.run(sumProgram, [gradient], { axes: [0, 1, 2] })[0];
}

/** Convolution of images; see geometry.ts for layouts and attributes. Inputs: x, weight, bias (may be left out). */
export const conv2d = defineOp<ConvolutionAttributes>({
  name: 'conv2d',
  forward: conv2dProgram,
  programs: [gradInputProgram, gradWeightProgram],
  gradient: {
    // relu's gradient reads the result; nothing else needs it.
    saves: ({ activation }) => ({ inputs: [0, 1], outputs: activation === 'relu' ? [0] : [] }),
    backward(context) {
      const { attributes, inputSpecs } = context;
      const [, height, width] = inputSpecs[0].shape;
      const [kernelHeight, kernelWidth] = inputSpecs[1].shape;
      const { activation: _, ...placement } = attributes;
      const gradient = gradientBeforeActivation(context);
      const inputGradient = (): Value => {
        // What other users of the input gave it is added on the way: of a residual block, or of a feature map that a decoder reads too.
        const addend = context.takePending(0);
        return context.run(gradInputProgram, [gradient, context.input(1), ...(addend ? [addend] : [])], {
          ...placement,
          inputSize: [height, width],
        })[0];
      };
      return [
        context.needs(0) ? inputGradient() : null,
        context.needs(1)
          ? context.run(gradWeightProgram, [context.input(0), gradient], {
              ...placement,
              kernel: [kernelHeight, kernelWidth],
            })[0]
          : null,
        biasGradient(context, gradient),
      ];
    },
  },
  cases: conv2dCases,
});
