import type { Shape } from '../../tensor/spec.ts';
import { type BackwardContext, defineOp } from '../definition.ts';
import { sumTo } from '../reduce/sumTo.ts';
import { unaryBackwardProgram } from '../unary/program.ts';
import type { Value } from '../value.ts';
import { matmulCases } from './cases.ts';
import { type MatmulAttributes, matmulGeometry } from './geometry.ts';
import { matmulProgram } from './program.ts';

const activationBackward = { relu: unaryBackwardProgram('relu'), gelu: unaryBackwardProgram('gelu') };

type Context = BackwardContext<MatmulAttributes>;

function product(context: Context, a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
  return context.run(matmulProgram, [a, b], { transposeA, transposeB })[0];
}

/** A gradient with respect to `a` (`b`) is a product again; which operand is transposed follows from how they are stored. */
function backward(context: Context): (Value | null)[] {
  const { attributes, inputSpecs } = context;
  const { activation = 'none' } = attributes;
  const [aShape, bShape] = inputSpecs.map((spec) => spec.shape);
  const { m, n, k, folded, transposeA, transposeB } = matmulGeometry(aShape, bShape, attributes);

  const gradSum =
    activation === 'none'
      ? context.gradOutput
      : context.run(activationBackward[activation], [context.gradOutput, context.output(1)], {})[0];

  // Leading axes that were folded into rows are folded here as well: one product, and gradB adds up over all of them.
  const matrix = (value: Value, shape: Shape): Value => (folded ? context.reshape(value, shape) : value);
  const g = matrix(gradSum, [m, n]);

  const gradA = (): Value => {
    const b = matrix(context.input(1), transposeB ? [n, k] : [k, n]);
    const gradient = transposeA ? product(context, b, g, transposeB, true) : product(context, g, b, false, !transposeB);
    return folded ? context.reshape(gradient, aShape) : sumTo(context, gradient, aShape);
  };
  const gradB = (): Value => {
    const a = matrix(context.input(0), [m, k]);
    const gradient = transposeB ? product(context, g, a, true, transposeA) : product(context, a, g, !transposeA, false);
    return folded ? context.reshape(gradient, bShape) : sumTo(context, gradient, bShape);
  };
  return [
    context.needs(0) ? gradA() : null,
    context.needs(1) ? gradB() : null,
    ...(inputSpecs.length > 2 ? [context.needs(2) ? sumTo(context, gradSum, inputSpecs[2].shape) : null] : []),
  ];
}

/**
 * f(a · b + bias): a (...batch, M, K), b (...batch, K, N) or one (K, N) for all, bias (N); `transposeA` and `transposeB` say
 * that an operand is stored with its last two axes swapped. A linear layer with a PyTorch weight (N, K) is
 * matmul(x, weight, bias) with `transposeB`.
 */
export const matmul = defineOp<MatmulAttributes>({
  name: 'matmul',
  forward: matmulProgram,
  gradient: {
    saves: ({ activation = 'none' }) => ({ inputs: [0, 1], outputs: activation === 'none' ? [] : [1] }),
    backward,
  },
  cases: matmulCases,
});
