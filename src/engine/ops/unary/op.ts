/** The ops of the elementwise functions of one argument: gradient and cases. */
import { defineOp, type Op, type Program } from '../definition.ts';
import { UNARY_NAMES, type UnaryAttributes, type UnaryName } from './attributes.ts';
import { unaryCases } from './cases.ts';
import { affineProgram, unaryBackwardProgram, unaryProgram } from './program.ts';

function opOf(name: UnaryName): Op<UnaryAttributes> {
  const backward: Program<UnaryAttributes> = unaryBackwardProgram(name);
  return defineOp<UnaryAttributes>({
    name,
    forward: unaryProgram(name),
    programs: name === 'affine' ? [] : [backward],
    gradient:
      name === 'affine'
        ? {
            // The derivative is a constant: nothing is kept.
            saves: {},
            backward: ({ run, gradOutput, attributes }) =>
              run(affineProgram, [gradOutput], { scale: attributes.scale, shift: 0 }),
          }
        : {
            saves: { inputs: [0] },
            backward: (context) => context.run(backward, [context.gradOutput, context.input(0)], context.attributes),
          },
    cases: unaryCases(name),
  });
}

/** The elementwise functions of one argument, by name. */
export const unaryOps = Object.fromEntries(UNARY_NAMES.map((name) => [name, opOf(name)])) as {
  readonly [Name in UnaryName]: Op<UnaryAttributes>;
};
