import { type Case, type CaseInput, defineOp, type Tolerance } from '../definition.ts';
import { entropyBackwardProgram, entropyProgram, type NoAttributes } from './program.ts';

const EXPONENTIAL: Tolerance = {
  relativeL2: 5e-6,
  element: 1e-5,
  reason: 'WGSL grants exp 3 + 2|x| ulp and log an absolute error of 2^-21 near 1; sums over rows in another order',
};

function entropyCase(
  name: string,
  shape: readonly number[],
  purpose: Case['purpose'],
  weights?: readonly number[],
  values?: readonly number[],
): Case<NoAttributes> {
  const inputs: CaseInput[] = [values ? { shape, fill: { values } } : { shape }];
  if (weights) inputs.push({ shape: shape.slice(0, -1), fill: { values: weights }, grad: false });
  return { name, inputs, attributes: {}, purpose, tolerance: EXPONENTIAL };
}

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
  cases: [
    entropyCase('tiny', [4, 2], ['test', 'gradient']),
    entropyCase('sample weights', [4, 3], ['test', 'gradient'], [1, 0, 2, 0.5]),
    entropyCase('no weight', [2, 3], ['test', 'gradient'], [0, 0]),
    entropyCase('even and certain', [3, 2], ['test'], undefined, [0, 0, 80, -80, -80, 80]),
    entropyCase('several workgroups', [3, 67, 5], ['test']),
    entropyCase('gate, N32', [32, 2], ['bench']),
  ],
});
