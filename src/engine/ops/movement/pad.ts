import { requireShape } from '../../tensor/shape.ts';
import { byteLength, formatShape, type Shape } from '../../tensor/spec.ts';
import { type Case, defineOp, defineProgram, ELEMENTWISE_TOLERANCE } from '../definition.ts';
import { sliceProgram, type SliceAttributes, unsliceProgram } from './slice.ts';

export interface PadAttributes {
  /** Elements put in front of each axis. */
  readonly before: readonly number[];
  /** Elements put behind each axis. */
  readonly after: readonly number[];
  /** What they hold. Default 0. */
  readonly value?: number;
}

function paddedShape(shape: Shape, { before, after }: PadAttributes): number[] {
  requireShape(
    before.length === shape.length &&
      after.length === shape.length &&
      [...before, ...after].every((count) => Number.isInteger(count) && count >= 0),
    'pad',
    `before ${formatShape(before)} and after ${formatShape(after)} must give one count of at least 0 for each axis of ${formatShape(shape)}`,
  );
  return shape.map((extent, axis) => before[axis] + extent + after[axis]);
}

/** Where the input lies in the padded tensor. */
function interior(shape: Shape, { before }: PadAttributes): SliceAttributes {
  return { starts: before, ends: before.map((count, axis) => count + shape[axis]) };
}

export const padProgram = defineProgram<PadAttributes>({
  name: 'pad',
  kernels: unsliceProgram.kernels,
  versions: unsliceProgram.versions,
  infer: ([x], attributes) => [{ shape: paddedShape(x.shape, attributes), dtype: x.dtype }],
  plan: ([x], [out], attributes, target, version) =>
    unsliceProgram.plan(
      [x],
      [out],
      { ...interior(x.shape, attributes), shape: out.shape, value: attributes.value },
      target,
      version,
    ),
  reference: ([x], attributes, [out]) =>
    unsliceProgram.reference([x], { ...interior(x.shape, attributes), shape: out.shape, value: attributes.value }, [
      out,
    ]),
  cost: ([x], [out]) => ({ flops: 0, bytes: byteLength(x) + byteLength(out) }),
});

const padCase = (
  name: string,
  shape: Shape,
  attributes: PadAttributes,
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<PadAttributes> => ({ name, inputs: [{ shape }], attributes, purpose, tolerance: ELEMENTWISE_TOLERANCE });

/** A constant border around a tensor. */
export const pad = defineOp<PadAttributes>({
  name: 'pad',
  forward: padProgram,
  half: 'all',
  gradient: {
    saves: {},
    backward: (context) =>
      context.run(sliceProgram, [context.gradOutput], interior(context.inputSpecs[0].shape, context.attributes)),
  },
  cases: [
    padCase('matrix', [2, 3], { before: [1, 0], after: [0, 2] }),
    padCase('border of a value', [2, 2, 3, 1], { before: [0, 1, 1, 0], after: [0, 1, 2, 0], value: -2.5 }),
    padCase('border, channels in fours', [2, 3, 3, 8], { before: [0, 1, 1, 0], after: [0, 1, 1, 0] }, ['test']),
    padCase('channels to fours', [2, 4, 4, 3], { before: [0, 0, 0, 0], after: [0, 0, 0, 1] }, ['test']),
    padCase('no border', [2, 5], { before: [0, 0], after: [0, 0] }, ['test']),
    padCase('border of one, U-Net 56, N4', [4, 56, 56, 64], { before: [0, 1, 1, 0], after: [0, 1, 1, 0] }, ['bench']),
  ],
});
