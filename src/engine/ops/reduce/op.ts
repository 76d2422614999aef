/** The ops of reductions: gradient and cases. */
import { normalizeAxes, reducedShape } from '../../tensor/shape.ts';
import { type Callable, defineOp, type Op } from '../definition.ts';
import { divProgram, equalProgram, mulProgram } from '../binary/program.ts';
import { floatCastProgram } from '../movement/convert.ts';
import { expandProgram } from '../movement/program.ts';
import { affineProgram } from '../unary/program.ts';
import type { ReduceAttributes } from './attributes.ts';
import { maxCases, reduceCases } from './cases.ts';
import { maxProgram, meanProgram, reducedCount, sumProgram } from './program.ts';

function opOf(name: string, forward: Callable<ReduceAttributes>, isMean: boolean): Op<ReduceAttributes> {
  return defineOp<ReduceAttributes>({
    name,
    forward,
    gradient: {
      saves: {},
      backward(context) {
        const { shape, dtype } = context.inputSpecs[0];
        const axes = normalizeAxes(name, context.attributes.axes, shape.length);
        const kept = context.reshape(context.gradOutput, reducedShape(shape, axes, true));
        const scaled = isMean ? context.run(affineProgram, [kept], { scale: 1 / reducedCount(shape, axes) })[0] : kept;
        const stored = scaled.spec.dtype === dtype ? scaled : context.run(floatCastProgram, [scaled], { dtype })[0];
        return context.run(expandProgram, [stored], { shape });
      },
    },
    cases: reduceCases,
  });
}

/** Sum over axes. */
export const sum = opOf('sum', sumProgram, false);

/** Mean over axes. */
export const mean = opOf('mean', meanProgram, true);

/** Maximum over axes, as torch.amax: equal maxima share the gradient evenly. */
export const max = defineOp<ReduceAttributes>({
  name: 'max',
  forward: maxProgram,
  programs: [equalProgram],
  gradient: {
    saves: { inputs: [0], outputs: [0] },
    backward(context) {
      const { shape, dtype } = context.inputSpecs[0];
      const axes = normalizeAxes('max', context.attributes.axes, shape.length);
      const kept = reducedShape(shape, axes, true);
      const [winners] = context.run(equalProgram, [context.input(0), context.reshape(context.output(0), kept)], {});
      const [count] = context.run(sumProgram, [winners], { axes, keepDims: true, dtype });
      const [share] = context.run(divProgram, [context.reshape(context.gradOutput, kept), count], {});
      return context.run(mulProgram, [winners, share], {});
    },
  },
  cases: maxCases,
});
