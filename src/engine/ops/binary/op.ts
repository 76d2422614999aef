/** The ops of the binary operations: gradient and cases. */
import { sumTo } from '../reduce/sumTo.ts';
import { type BackwardContext, defineOp, type NoAttributes, type Op } from '../definition.ts';
import type { Value } from '../value.ts';
import { affineProgram } from '../unary/program.ts';
import type { BinaryName, ComparisonName } from './attributes.ts';
import { binaryCases, comparisonCases } from './cases.ts';
import {
  addProgram,
  divProgram,
  equalProgram,
  lessEqualProgram,
  lessProgram,
  mulProgram,
  subProgram,
} from './program.ts';

type Context = BackwardContext<NoAttributes>;

/** Sums a gradient over the axes along which input `index` was stretched. */
function unbroadcast(context: Context, index: number, gradient: Value): Value {
  return sumTo(context, gradient, context.inputSpecs[index].shape);
}

function negate(context: Context, value: Value): Value {
  return context.run(affineProgram, [value], { scale: -1, shift: 0 })[0];
}

function opOf(
  name: BinaryName,
  forward: Op<NoAttributes>['forward'],
  saves: readonly number[],
  left: (context: Context) => Value,
  right: (context: Context) => Value,
): Op<NoAttributes> {
  return defineOp<NoAttributes>({
    name,
    forward,
    gradient: {
      saves: { inputs: saves },
      backward: (context) => [
        context.needs(0) ? unbroadcast(context, 0, left(context)) : null,
        context.needs(1) ? unbroadcast(context, 1, right(context)) : null,
      ],
    },
    cases: binaryCases(name),
  });
}

const multiply = (context: Context, a: Value, b: Value): Value => context.run(mulProgram, [a, b], {})[0];
const divide = (context: Context, a: Value, b: Value): Value => context.run(divProgram, [a, b], {})[0];

/** a + b with broadcasting. */
export const add = opOf(
  'add',
  addProgram,
  [],
  (context) => context.gradOutput,
  (context) => context.gradOutput,
);

/** a - b with broadcasting. */
export const sub = opOf(
  'sub',
  subProgram,
  [],
  (context) => context.gradOutput,
  (context) => negate(context, context.gradOutput),
);

/** a * b with broadcasting. */
export const mul = opOf(
  'mul',
  mulProgram,
  [0, 1],
  (context) => multiply(context, context.gradOutput, context.input(1)),
  (context) => multiply(context, context.gradOutput, context.input(0)),
);

/** a / b with broadcasting; d/db = -(g / b) * (a / b). */
export const div = opOf(
  'div',
  divProgram,
  [0, 1],
  (context) => divide(context, context.gradOutput, context.input(1)),
  (context) =>
    negate(
      context,
      multiply(
        context,
        divide(context, context.gradOutput, context.input(1)),
        divide(context, context.input(0), context.input(1)),
      ),
    ),
);

function comparisonOf(name: ComparisonName, forward: Op<NoAttributes>['forward']): Op<NoAttributes> {
  return defineOp<NoAttributes>({
    name,
    forward,
    gradient: { none: 'a comparison is a step: its derivative is 0 wherever it has one' },
    cases: comparisonCases,
  });
}

/** a = b, a < b and a <= b with broadcasting: 1 or 0 in the type of the inputs. */
export const equal = comparisonOf('equal', equalProgram);
export const less = comparisonOf('less', lessProgram);
export const lessEqual = comparisonOf('lessEqual', lessEqualProgram);
