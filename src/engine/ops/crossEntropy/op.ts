/** The op of cross entropy: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { CrossEntropyAttributes } from './attributes.ts';
import { crossEntropyCases } from './cases.ts';
import { crossEntropyBackwardProgram, crossEntropyProgram } from './program.ts';

/**
 * Cross entropy of logits [..., C] against class indices i32 [...], optionally with class weights [C]; the semantics of
 * torch.nn.functional.cross_entropy, label smoothing with class weights included:
 *   row loss = (1 - s) * -w[y] * log p[y] + s / C * sum over k of -w[k] * log p[k];  mean = sum of row losses / sum of w[y].
 * Different from PyTorch: `ignoreIndex` is -1 by default (there -100), and every negative label is ignored whatever it is set to;
 * where no row counts the mean is 0 with zero gradient (there NaN). Labels of C and above are a mistake that a GPU cannot report:
 * they count nothing; readers of labels must check them.
 */
export const crossEntropy = defineOp<CrossEntropyAttributes>({
  name: 'crossEntropy',
  forward: crossEntropyProgram,
  programs: [crossEntropyBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1, 2], outputs: [1, 2] },
    backward(context) {
      const { inputSpecs, attributes, gradOutput } = context;
      if (!context.needs(0)) return inputSpecs.map(() => null);
      const inputs = [gradOutput, context.input(0), context.input(1), context.output(1), context.output(2)];
      if (inputSpecs.length > 2) inputs.push(context.input(2));
      const [gradLogits] = context.run(crossEntropyBackwardProgram, inputs, attributes);
      return [gradLogits, ...inputSpecs.slice(1).map(() => null)];
    },
  },
  cases: crossEntropyCases,
});
