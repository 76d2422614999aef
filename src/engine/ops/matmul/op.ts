/** The op of matrix products: gradient and cases. */
import type { Shape } from '../../tensor/spec.ts';
import { type BackwardContext, defineOp } from '../definition.ts';
import { sumProgram } from '../reduce/program.ts';
import { sumTo } from '../reduce/sumTo.ts';
import { unaryBackwardProgram } from '../unary/program.ts';
import type { Value } from '../value.ts';
import type { MatmulAttributes } from './attributes.ts';
import { matmulCases } from './cases.ts';
import { matmulGeometry } from './geometry.ts';
import { gradWeightProgram, matmulInferenceProgram, matmulProgram } from './program.ts';

const reluBackwardProgram = unaryBackwardProgram('relu');
const geluBackwardProgram = unaryBackwardProgram('gelu');

type Context = BackwardContext<MatmulAttributes>;

function product(context: Context, [a, b]: readonly [Value, Value], attributes: MatmulAttributes): Value {
  return context.run(matmulProgram, [a, b], attributes)[0];
}

/** The gradient of the sums: relu's derivative follows from the output, gelu's from the sums. */
function gradientOfSums(context: Context): Value {
  const { gradOutput, attributes } = context;
  switch (attributes.activation) {
    case 'relu':
      return context.run(reluBackwardProgram, [gradOutput, context.output(0)], {})[0];
    case 'gelu':
      return context.run(geluBackwardProgram, [gradOutput, context.output(1)], {})[0];
    default:
      return gradOutput;
  }
}

/** The sum over all axes but the last. */
function biasGradient(context: Context, gradSum: Value): Value {
  const axes = gradSum.spec.shape.slice(1).map((_, axis) => axis);
  return context.run(sumProgram, [gradSum], { axes })[0];
}

/** A gradient with respect to `a` (`b`) is a product again; which operand is transposed follows from how they are stored. */
function backward(context: Context): (Value | null)[] {
  const { attributes, inputSpecs } = context;
  const [aShape, bShape] = inputSpecs.map((spec) => spec.shape);
  const { m, n, k, folded, transposeA, transposeB } = matmulGeometry(aShape, bShape, attributes);
  const gradSum = gradientOfSums(context);

  // Leading axes that were folded into rows are folded here as well: one product, and gradB adds up over all of them.
  const matrix = (value: Value, shape: Shape): Value => (folded ? context.reshape(value, shape) : value);
  const g = matrix(gradSum, [m, n]);

  const gradA = (): Value => {
    const b = matrix(context.input(1), transposeB ? [n, k] : [k, n]);
    const gradient = transposeA
      ? product(context, [b, g], { transposeA: transposeB, transposeB: true })
      : product(context, [g, b], { transposeB: !transposeB });
    return folded ? context.reshape(gradient, aShape) : sumTo(context, gradient, aShape);
  };
  const gradB = (): Value => {
    const a = matrix(context.input(0), [m, k]);
    // One b for all rows is a weight: its gradient is float32 whatever the activations are.
    const format = folded ? ({ result: 'f32' } as const) : {};
    const gradient = transposeB
      ? product(context, [g, a], { transposeA: true, transposeB: transposeA, ...format })
      : product(context, [a, g], { transposeA: !transposeA, ...format });
    return folded ? context.reshape(gradient, bShape) : sumTo(context, gradient, bShape);
  };

  const wantsBias = inputSpecs.length > 2 && context.needs(2);
  if (folded && transposeB && wantsBias && context.needs(1)) {
    // A linear layer: the product of the weight's gradient reads what the bias's gradient sums.
    const a = context.reshape(context.input(0), [m, k]);
    const [gradWeight, gradBias] = context.run(gradWeightProgram, [g, a], {});
    return [context.needs(0) ? gradA() : null, context.reshape(gradWeight, bShape), gradBias];
  }
  return [
    context.needs(0) ? gradA() : null,
    context.needs(1) ? gradB() : null,
    wantsBias ? biasGradient(context, gradSum) : null,
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
  inference: matmulInferenceProgram,
  programs: [gradWeightProgram],
  gradient: {
    saves: ({ activation = 'none' }) => ({ inputs: [0, 1], outputs: { none: [], relu: [0], gelu: [1] }[activation] }),
    backward,
  },
  cases: matmulCases,
});
