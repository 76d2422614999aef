/** The ops that move elements and compute nothing. */
import { normalizeAxis } from '../../tensor/shape.ts';
import { defineOp, type NoAttributes, type Op } from '../definition.ts';
import { sumTo } from '../reduce/sumTo.ts';
import type {
  CastAttributes,
  ConcatAttributes,
  ExpandAttributes,
  FillAttributes,
  FlipAttributes,
  FloatCastAttributes,
  PadAttributes,
  PermuteAttributes,
  ReshapeAttributes,
  SliceAttributes,
} from './attributes.ts';
import {
  assignCases,
  castCases,
  concatCases,
  expandCases,
  fillCases,
  flipCases,
  floatCastCases,
  padCases,
  permuteCases,
  reshapeCases,
  sliceCases,
} from './cases.ts';
import { castProgram, fillProgram, floatCastProgram } from './convert.ts';
import { beginnings, interior, inverseAxes } from './layout.ts';
import { concatProgram } from './concat.ts';
import {
  assignProgram,
  expandProgram,
  flipProgram,
  padProgram,
  permuteProgram,
  reshapeProgram,
  sliceProgram,
  unsliceProgram,
} from './program.ts';

/** x stretched to a larger shape; its gradient sums over the stretched axes. */
export const expand = defineOp<ExpandAttributes>({
  name: 'expand',
  forward: expandProgram,
  gradient: {
    saves: {},
    backward: (context) => [sumTo(context, context.gradOutput, context.inputSpecs[0].shape)],
  },
  cases: expandCases,
});

/** Axes in another order (a copy), as torch.permute. */
export const permute = defineOp<PermuteAttributes>({
  name: 'permute',
  forward: permuteProgram,
  gradient: {
    saves: {},
    backward: (context) =>
      context.run(permuteProgram, [context.gradOutput], { axes: inverseAxes(context.attributes.axes) }),
  },
  cases: permuteCases,
});

/** x in reverse along some axes, as torch.flip. */
export const flip = defineOp<FlipAttributes>({
  name: 'flip',
  forward: flipProgram,
  gradient: {
    saves: {},
    backward: (context) => context.run(flipProgram, [context.gradOutput], context.attributes),
  },
  cases: flipCases,
});

/** A box (with `steps`, a lattice) out of a tensor: x[start:end:step] along each axis, as NumPy. */
export const slice = defineOp<SliceAttributes>({
  name: 'slice',
  forward: sliceProgram,
  programs: [unsliceProgram],
  gradient: {
    saves: {},
    backward: (context) =>
      context.run(unsliceProgram, [context.gradOutput], {
        ...context.attributes,
        shape: context.inputSpecs[0].shape,
      }),
  },
  cases: sliceCases,
});

/** A constant border around a tensor. */
export const pad = defineOp<PadAttributes>({
  name: 'pad',
  forward: padProgram,
  gradient: {
    saves: {},
    backward: (context) =>
      context.run(sliceProgram, [context.gradOutput], interior(context.inputSpecs[0].shape, context.attributes)),
  },
  cases: padCases,
});

/** Tensors one after another along an axis. */
export const concat = defineOp<ConcatAttributes>({
  name: 'concat',
  forward: concatProgram,
  gradient: {
    saves: {},
    backward(context) {
      const axis = normalizeAxis('concat', context.attributes.axis, context.outputSpecs[0].shape.length);
      return beginnings(context.inputSpecs, axis).map((begin, index) => {
        if (!context.needs(index)) return null;
        const { shape } = context.inputSpecs[index];
        const starts = shape.map((_, at) => (at === axis ? begin : 0));
        const ends = shape.map((extent, at) => starts[at] + extent);
        return context.run(sliceProgram, [context.gradOutput], { starts, ends })[0];
      });
    },
  },
  cases: concatCases,
});

/** The same elements in row-major order under another shape. */
export const reshape = defineOp<ReshapeAttributes>({
  name: 'reshape',
  forward: reshapeProgram,
  gradient: {
    saves: {},
    backward: (context) => [context.reshape(context.gradOutput, context.inputSpecs[0].shape)],
  },
  cases: reshapeCases,
});

/** In-place copy: its first input takes the elements of its second. */
const assign = defineOp<NoAttributes>({
  name: 'assign',
  forward: assignProgram,
  gradient: { none: 'it changes memory that the graph may have saved; use it outside the graph' },
  cases: assignCases,
});

/** Element type conversion. */
export const cast = defineOp<CastAttributes>({
  name: 'cast',
  forward: castProgram,
  gradient: { none: 'integers have no gradients' },
  cases: castCases,
});

/**
 * Conversion between float32 and float16. Its gradient comes back in the type of its input: so weights held in float32 get float32
 * gradients from the float16 copy that a product uses.
 */
export const floatCast = defineOp<FloatCastAttributes>({
  name: 'floatCast',
  forward: floatCastProgram,
  gradient: {
    saves: {},
    backward: ({ run, gradOutput, inputSpecs: [{ dtype }] }) =>
      gradOutput.spec.dtype === dtype ? [gradOutput] : run(floatCastProgram, [gradOutput], { dtype }),
  },
  cases: floatCastCases,
});

/** A constant tensor, made on the device. */
const fill = defineOp<FillAttributes>({
  name: 'fill',
  forward: fillProgram,
  gradient: { none: 'it has no inputs' },
  cases: fillCases,
});

export const movementOps: readonly Op[] = [
  expand,
  permute,
  flip,
  slice,
  pad,
  concat,
  reshape,
  assign,
  cast,
  floatCast,
  fill,
];
