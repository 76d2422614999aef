/** The op of the entropy of softmax: gradient and cases. */
import { defineOp, type NoAttributes } from '../definition.ts';
import { entropyCases } from './cases.ts';
import { entropyBackwardProgram, entropyProgram } from './program.ts';

/**
 * Mean over rows of the entropy of softmax(logits [..., C]) in nats, with optional sample weights [...]: sum of w * H / sum of w.
 * Where all weights are zero: 0 with zero gradient.
 */
export const entropy = defineOp<NoAttributes>({
  name: 'entropy',
  forward: entropyProgram,
  programs: [entropyBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1], outputs: [1] },
    backward(context) {
      const { inputSpecs } = context;
      if (!context.needs(0)) return inputSpecs.map(() => null);
      const inputs = [context.gradOutput, context.input(0), context.output(1)];
      if (inputSpecs.length > 1) inputs.push(context.input(1));
      const [gradLogits] = context.run(entropyBackwardProgram, inputs, {});
      return [gradLogits, ...inputSpecs.slice(1).map(() => null)];
    },
  },
  cases: entropyCases,
});
