/** The op of binary cross entropy: gradient and cases. */
import { defineOp } from '../definition.ts';
import type { BceAttributes } from './attributes.ts';
import { bceCases } from './cases.ts';
import { bceWithLogitsBackwardProgram, bceWithLogitsProgram } from './program.ts';

/**
 * Binary cross entropy of logits [N, ..., C] against targets in [0, 1] of that shape, as torch.nn.functional.
 * binary_cross_entropy_with_logits with `pos_weight` a vector over the last axis. Sample weights [N] weigh whole samples and, unlike
 * PyTorch's `weight`, the mean too: sum of w * l / sum of w, so that samples of weight 0 count nothing; all zero: 0 with zero gradient.
 * `gamma` and `alpha` make it the focal loss, as torchvision.ops.sigmoid_focal_loss (Lin et al. 2017).
 */
export const bceWithLogits = defineOp<BceAttributes>({
  name: 'bceWithLogits',
  forward: bceWithLogitsProgram,
  programs: [bceWithLogitsBackwardProgram],
  gradient: {
    saves: { inputs: [0, 1, 2, 3], outputs: [1] },
    backward(context) {
      const { inputSpecs } = context;
      if (!context.needs(0)) return inputSpecs.map(() => null);
      const optionals = inputSpecs.slice(2).map((_, index) => context.input(index + 2));
      const inputs = [context.gradOutput, context.input(0), context.input(1), context.output(1), ...optionals];
      const [gradLogits] = context.run(bceWithLogitsBackwardProgram, inputs, context.attributes);
      return [gradLogits, ...inputSpecs.slice(1).map(() => null)];
    },
  },
  cases: bceCases,
});
