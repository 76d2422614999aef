/** The ops of softmax and its logarithm: gradient and cases. */
import { defineOp, type NoAttributes, type Op } from '../definition.ts';
import type { SoftmaxName } from './attributes.ts';
import { softmaxCases } from './cases.ts';
import { softmaxBackwardProgram, softmaxProgram } from './program.ts';

function opOf(name: SoftmaxName): Op<NoAttributes> {
  const backward = softmaxBackwardProgram(name);
  return defineOp<NoAttributes>({
    name,
    forward: softmaxProgram(name),
    programs: [backward],
    gradient: {
      saves: { outputs: [0] },
      backward: (context) => context.run(backward, [context.gradOutput, context.output(0)], {}),
    },
    cases: softmaxCases,
  });
}

/** exp(x) / sum of exp(x) over the last axis. */
export const softmax = opOf('softmax');

/** x - log(sum of exp(x)) over the last axis. */
export const logSoftmax = opOf('logSoftmax');
