/** Odd counts and fours, every kind of axis, tensors of the networks. */
import type { DType, Shape } from '../../tensor/spec.ts';
import { type Case, type CaseInput, ELEMENTWISE_TOLERANCE, type NoAttributes } from '../definition.ts';
import type {
  CastAttributes,
  ConcatAttributes,
  ExpandAttributes,
  FlipAttributes,
  FillAttributes,
  FloatCastAttributes,
  PadAttributes,
  PermuteAttributes,
  ReshapeAttributes,
  SliceAttributes,
} from './attributes.ts';

const concatCase = (
  name: string,
  shapes: readonly Shape[],
  axis: number,
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<ConcatAttributes> => ({
  name,
  inputs: shapes.map((shape) => ({ shape })),
  attributes: { axis },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

export const concatCases: readonly Case<ConcatAttributes>[] = [
  concatCase(
    'rows',
    [
      [2, 3],
      [1, 3],
    ],
    0,
  ),
  concatCase(
    'channels, three inputs',
    [
      [2, 2, 3],
      [2, 2, 1],
      [2, 2, 2],
    ],
    -1,
  ),
  concatCase('one input', [[3, 2]], 1),
  concatCase(
    'channels in fours',
    [
      [2, 3, 3, 8],
      [2, 3, 3, 4],
    ],
    3,
    ['test'],
  ),
  concatCase(
    'nine inputs',
    Array.from({ length: 9 }, (_, index) => [3, index + 1]),
    1,
    ['test'],
  ),
  concatCase(
    'skip connection, U-Net 56, N4',
    [
      [4, 56, 56, 64],
      [4, 56, 56, 64],
    ],
    3,
    ['bench'],
  ),
];

const expandCase = (name: string, from: Shape, shape: Shape, purpose: Case['purpose']): Case<ExpandAttributes> => ({
  name,
  inputs: [{ shape: from }],
  attributes: { shape },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

export const expandCases: readonly Case<ExpandAttributes>[] = [
  expandCase('scalar', [], [2, 3], ['test', 'gradient']),
  expandCase('middle axis', [2, 1, 3], [2, 4, 3], ['test', 'gradient']),
  expandCase('new front axis', [5], [3, 5], ['test', 'gradient']),
  expandCase('rows in fours', [2, 1, 8], [2, 3, 8], ['test']),
  expandCase('pooled features back to a map, ConvNeXt-T stage 4', [8, 1, 1, 768], [8, 7, 7, 768], ['bench']),
];

const permuteCase = (
  name: string,
  shape: Shape,
  axes: readonly number[],
  purpose: Case['purpose'],
): Case<PermuteAttributes> => ({
  name,
  inputs: [{ shape }],
  attributes: { axes },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

export const permuteCases: readonly Case<PermuteAttributes>[] = [
  permuteCase('matrix', [3, 5], [1, 0], ['test', 'gradient']),
  permuteCase('NHWC to NCHW', [2, 3, 5, 4], [0, 3, 1, 2], ['test', 'gradient']),
  permuteCase('last axis stays', [2, 3, 4, 8], [1, 0, 2, -1], ['test']),
  permuteCase('nothing moves', [2, 3, 4], [0, 1, 2], ['test']),
  permuteCase('rank 6', [2, 3, 1, 2, 3, 2], [5, 0, 3, 2, 1, 4], ['test']),
  permuteCase('rank 6, several turns', [3, 4, 5, 2, 3, 4], [5, 0, 3, 2, 1, 4], ['test']),
  permuteCase('channels last, several workgroups', [2, 3, 37, 29], [0, 2, 3, 1], ['test']),
  permuteCase('image to NHWC, N4', [4, 3, 224, 224], [0, 2, 3, 1], ['bench']),
];

const flipCase = (
  name: string,
  shape: Shape,
  axes: readonly number[],
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<FlipAttributes> => ({
  name,
  inputs: [{ shape }],
  attributes: { axes },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

export const flipCases: readonly Case<FlipAttributes>[] = [
  flipCase('columns', [3, 5], [1]),
  flipCase('both axes of two, and no other', [2, 3, 4, 3], [1, -2]),
  flipCase('all axes', [2, 3, 1, 3], [0, 1, 2, 3], ['test']),
  flipCase('no axis', [2, 3], [], ['test']),
  flipCase('a scalar', [], [], ['test']),
  flipCase('width, channels in fours', [2, 3, 5, 8], [2], ['test']),
  flipCase('left and right, 224, N4', [4, 224, 224, 3], [2], ['bench']),
];

const sliceCase = (
  name: string,
  shape: Shape,
  attributes: SliceAttributes,
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<SliceAttributes> => ({ name, inputs: [{ shape }], attributes, purpose, tolerance: ELEMENTWISE_TOLERANCE });

export const sliceCases: readonly Case<SliceAttributes>[] = [
  sliceCase('rows', [5, 3], { starts: [1, 0], ends: [4, 3] }),
  sliceCase('box, negative indices', [3, 4, 5], { starts: [0, -3, 1], ends: [2, -1, 99] }),
  sliceCase('steps', [7, 4], { starts: [1, 0], ends: [7, 4], steps: [2, 3] }),
  sliceCase('channels in fours', [2, 3, 3, 12], { starts: [0, 0, 1, 4], ends: [2, 3, 3, 12] }, ['test']),
  sliceCase('all of it', [3, 8], { starts: [0, 0], ends: [3, 8] }, ['test']),
  sliceCase('half of the channels, U-Net 56, N4', [4, 56, 56, 128], { starts: [0, 0, 0, 64], ends: [4, 56, 56, 128] }, [
    'bench',
  ]),
];

const padCase = (
  name: string,
  shape: Shape,
  attributes: PadAttributes,
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<PadAttributes> => ({ name, inputs: [{ shape }], attributes, purpose, tolerance: ELEMENTWISE_TOLERANCE });

export const padCases: readonly Case<PadAttributes>[] = [
  padCase('matrix', [2, 3], { before: [1, 0], after: [0, 2] }),
  padCase('border of a value', [2, 2, 3, 1], { before: [0, 1, 1, 0], after: [0, 1, 2, 0], value: -2.5 }),
  padCase('border, channels in fours', [2, 3, 3, 8], { before: [0, 1, 1, 0], after: [0, 1, 1, 0] }, ['test']),
  padCase('channels to fours', [2, 4, 4, 3], { before: [0, 0, 0, 0], after: [0, 0, 0, 1] }, ['test']),
  padCase('no border', [2, 5], { before: [0, 0], after: [0, 0] }, ['test']),
  padCase('border of one, U-Net 56, N4', [4, 56, 56, 64], { before: [0, 1, 1, 0], after: [0, 1, 1, 0] }, ['bench']),
];

const reshapeCase = (name: string, from: Shape, shape: Shape, purpose: Case['purpose']): Case<ReshapeAttributes> => ({
  name,
  inputs: [{ shape: from }],
  attributes: { shape },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

export const reshapeCases: readonly Case<ReshapeAttributes>[] = [
  reshapeCase('odd count', [3, 5], [5, -1], ['test', 'gradient']),
  reshapeCase('to a scalar', [1, 1], [], ['test', 'gradient']),
  reshapeCase('in fours', [4, 6], [2, 3, 4], ['test']),
  reshapeCase('copy, ConvNeXt-T stage 1, N4', [4, 56, 56, 96], [12_544, 96], ['bench']),
];

export const assignCases: readonly Case<NoAttributes>[] = [
  {
    name: 'odd count',
    inputs: [{ shape: [3, 5] }, { shape: [3, 5] }],
    attributes: {},
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  {
    name: 'in fours',
    inputs: [{ shape: [3, 8] }, { shape: [3, 8] }],
    attributes: {},
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  {
    name: 'weights, ConvNeXt-T stage 4',
    inputs: [{ shape: [768, 3072] }, { shape: [768, 3072] }],
    attributes: {},
    purpose: ['bench'],
  },
];

function castCase(
  name: string,
  shape: Shape,
  from: DType,
  dtype: DType,
  fill: CaseInput['fill'],
  purpose: Case['purpose'] = ['test'],
): Case<CastAttributes> {
  return {
    name,
    inputs: [{ shape, dtype: from, fill, grad: false }],
    attributes: { dtype },
    purpose,
    tolerance: ELEMENTWISE_TOLERANCE,
  };
}

export const castCases: readonly Case<CastAttributes>[] = [
  castCase('f32 to i32', [7], 'f32', 'i32', { values: [-3.7, -1, -0.5, 0, 0.5, 2.9, 1e6] }),
  castCase('f32 to u32', [5], 'f32', 'u32', { values: [0, 0.99, 1, 77.5, 4e9] }),
  castCase('u32 to f32', [3, 5], 'u32', 'f32', { integersBelow: 1000 }),
  castCase('i32 to f32', [4], 'i32', 'f32', { values: [-5, 0, 3, 100_000] }),
  castCase('u32 to i32', [3], 'u32', 'i32', { integersBelow: 9 }),
  castCase('f32 to f32', [3], 'f32', 'f32', 'normal'),
  castCase('mask, 224, N4', [4, 224, 224, 1], 'u32', 'f32', { integersBelow: 2 }, ['bench']),
];

const floatCastCase = (
  name: string,
  shape: Shape,
  from: DType,
  dtype: DType,
  purpose: Case['purpose'] = ['test'],
): Case<FloatCastAttributes> => ({
  name,
  inputs: [{ shape, dtype: from }],
  attributes: { dtype },
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

export const floatCastCases: readonly Case<FloatCastAttributes>[] = [
  floatCastCase('to f16 and back', [2, 5], 'f32', 'f16', ['test', 'gradient']),
  floatCastCase('to f32 and back', [3, 7, 3], 'f16', 'f32'),
  floatCastCase('same type', [3, 4], 'f32', 'f32'),
  {
    ...floatCastCase('far out', [9], 'f32', 'f16'),
    inputs: [{ shape: [9], fill: { values: [65_504, -65_504, 1e5, 6e-5, -1e-7, 1e-9, 2049, 0.1, 0] } }],
  },
  floatCastCase('image, 224, N4', [4, 224, 224, 3], 'f32', 'f16', ['bench']),
  floatCastCase('features, ConvNeXt-T stage 4', [8, 7, 7, 768], 'f16', 'f32', ['bench']),
];

export const fillCases: readonly Case<FillAttributes>[] = [
  {
    name: 'odd count',
    inputs: [],
    attributes: { shape: [3, 7], value: -1.5 },
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  {
    name: 'scalar u32',
    inputs: [],
    attributes: { shape: [], value: 4_000_000_000, dtype: 'u32' },
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  {
    name: 'f16, odd count',
    inputs: [],
    attributes: { shape: [5, 7], value: -1.5, dtype: 'f16' },
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  {
    name: 'f16, in fours, several turns',
    inputs: [],
    attributes: { shape: [36, 64], value: -1.5, dtype: 'f16' },
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  {
    name: 'i32',
    inputs: [],
    attributes: { shape: [4], value: -3, dtype: 'i32' },
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
  {
    name: 'ConvNeXt-T stage 1, N4',
    inputs: [],
    attributes: { shape: [4, 56, 56, 96], value: 0 },
    purpose: ['bench'],
  },
];
