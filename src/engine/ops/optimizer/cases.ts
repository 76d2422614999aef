/** Odd, aligned and one-element tensors, alone and together; guards open, clipping and shut; the largest parameter of ConvNeXt-T. */
import { type Case, type CaseInput, ELEMENTWISE_TOLERANCE, type Tolerance } from '../definition.ts';
import type {
  AdamwAttributes,
  AveragesAttributes,
  AxpyAttributes,
  ClipGuardAttributes,
  DotsAttributes,
  DotTotalsAttributes,
  RmspropAttributes,
  SgdAttributes,
  SquaresAttributes,
  StepSlot,
  SwapAttributes,
} from './attributes.ts';
import { momentGroups, slotsFor } from './layout.ts';

const STEP_TOLERANCE: Tolerance = {
  relativeL2: 1e-6,
  element: 4e-6,
  reason: 'about ten float32 roundings per element, and the WGSL allowance of 2.5 ulp for division and a few for sqrt',
};

const values = (...numbers: number[]): CaseInput => ({ shape: [numbers.length], fill: { values: numbers } });

const OPEN = values(1, 0, 0, 0);

const SHUT = values(0, 0, 1, 3);

const CLIPPED = values(0.25, 4, 0, 2);

/** Elements of a weight of ConvNeXt-T's last stage (768 x 3072), its largest parameter. */
const LARGEST = [768, 3072] as const;

type Shapes = readonly (readonly number[])[];

const elements = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1);

/** A state of `moments` for tensors of `shapes`, its heads given, the rest uniform numbers (second moments are not negative). */
function stateOf(head: readonly number[], shapes: Shapes, moments: number): { state: CaseInput; first: number[] } {
  const first: number[] = [];
  let groups = head.length / 4;
  for (const shape of shapes) {
    first.push(groups);
    groups += moments * momentGroups(elements(shape));
  }
  // Some room at the end, which no kernel may touch. Made when the case runs: this list is built whenever the engine is imported.
  return { state: { shape: [4 * groups + 4], fill: { head } }, first };
}

/** Odd, aligned and one-element shapes, alone and together; an open, a clipping and a shut guard; the largest parameter for the bench. */
function stepCases<A extends { readonly slots: readonly StepSlot[] }>(
  count: number,
  head: readonly number[],
  moments: number,
  plain: Omit<A, 'slots'>,
  other: Omit<A, 'slots'>,
): Case<A>[] {
  const make = (name: string, shapes: Shapes, guard: CaseInput, settings: Omit<A, 'slots'>, lrScale = 1): Case<A> => {
    const { state, first } = stateOf(head, shapes, moments);
    const slots = first.map((at, k) => ({
      head: k % (head.length / 4),
      first: at,
      lrScale: lrScale / (k + 1),
      weightDecay: 0.05 * k,
    }));
    return {
      name,
      inputs: [state, guard, ...shapes.flatMap((shape) => [{ shape }, { shape }])],
      attributes: { ...settings, slots } as unknown as A,
      purpose: ['test'],
      tolerance: STEP_TOLERANCE,
    };
  };
  const few = (...shapes: Shapes): Shapes => Array.from({ length: count }, (_, k) => shapes[k % shapes.length]);
  return [
    make('odd counts', few([7, 11, 3], [2], [13]), OPEN, plain),
    make('in fours, other attributes', few([16, 24], [8], [4, 4]), OPEN, other, 0.5),
    make('one element, clipped', few([1], [5, 5], [64]), CLIPPED, plain),
    make('several groups a thread, clipped', few([4099], [6], [900]), CLIPPED, other, 0.5),
    make('shut guard: nothing moves', few([3, 5], [4], [2]), SHUT, plain),
    {
      ...make('largest parameters of ConvNeXt-T', few(LARGEST, LARGEST, LARGEST), OPEN, plain),
      purpose: ['bench'],
    },
  ];
}

function averagesCase(name: string, shapes: Shapes, purpose: Case['purpose'] = ['test']): Case<AveragesAttributes> {
  const { state, first } = stateOf([0.125, 0, 0, 0], shapes, 1);
  const inputs = [state, ...shapes.map((shape) => ({ shape }))];
  return { name, inputs, attributes: { first }, purpose, tolerance: ELEMENTWISE_TOLERANCE };
}

function swapCase(name: string, shape: readonly number[], purpose: Case['purpose'] = ['test']): Case<SwapAttributes> {
  const { state, first } = stateOf([1, 2, 3, 4], [[5], shape], 1);
  return { name, inputs: [{ shape }, state], attributes: { first: first[1] }, purpose };
}

/** Of the programs without attributes. */
function plainCases(inputsOf: (shape: readonly number[]) => readonly CaseInput[]): Case[] {
  const test = { attributes: {}, purpose: ['test'], tolerance: ELEMENTWISE_TOLERANCE } as const;
  return [
    { name: 'odd count', inputs: inputsOf([7, 11, 3]), ...test },
    { name: 'in fours', inputs: inputsOf([16, 24]), ...test },
    { name: 'one element', inputs: inputsOf([]), ...test },
    { name: 'several groups a thread', inputs: inputsOf([4099]), ...test },
    { name: 'largest parameter of ConvNeXt-T', inputs: inputsOf(LARGEST), attributes: {}, purpose: ['bench'] },
  ];
}

const squaresCase = (
  name: string,
  xs: readonly CaseInput[],
  slots: number,
  tensors: SquaresAttributes['tensors'],
  purpose: Case['purpose'] = ['test'],
): Case<SquaresAttributes> => ({ name, inputs: [{ shape: [slots, 2] }, ...xs], attributes: { tensors }, purpose });

const UNSCALED = values(1, 0, 0, 0);

const guardCase = (
  name: string,
  slots: CaseInput,
  attributes: ClipGuardAttributes,
  purpose: Case['purpose'] = ['test'],
  lossScale = UNSCALED,
): Case<ClipGuardAttributes> => ({ name, inputs: [slots, values(0.5, 7, 1, 2), lossScale], attributes, purpose });

const FINITE = [4, 0, 9, 0, 3, 0];

export const emaCases = plainCases((shape) => [{ shape }, { shape }, values(0.125, 0, 0, 0)]);

export const guardedScaleCases: readonly Case[] = [
  ...plainCases((shape) => [{ shape }, CLIPPED]),
  {
    name: 'shut guard: nothing moves',
    inputs: [{ shape: [6] }, SHUT],
    attributes: {},
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
];

/** Of steps over `count` parameters. */
export const adamwCases = (count: number): readonly Case<AdamwAttributes>[] =>
  stepCases<AdamwAttributes>(
    count,
    [3, 5].flatMap((step) => [0.01, 1 / (1 - 0.9 ** step), 1 / Math.sqrt(1 - 0.999 ** step), 0]),
    2,
    { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    { beta1: 0.8, beta2: 0.95, eps: 1e-3 },
  );

export const sgdCases = (count: number): readonly Case<SgdAttributes>[] =>
  stepCases<SgdAttributes>(
    count,
    [0.1, 0, 0, 0],
    1,
    { momentum: 0.9, nesterov: false },
    { momentum: 0.8, nesterov: true },
  );

export const rmspropCases = (count: number): readonly Case<RmspropAttributes>[] =>
  stepCases<RmspropAttributes>(
    count,
    [0.1, 0, 0, 0],
    2,
    { alpha: 0.99, eps: 1e-8, momentum: 0.9 },
    { alpha: 0.9, eps: 1e-3, momentum: 0 },
  );

export const averagesCases: readonly Case<AveragesAttributes>[] = [
  averagesCase('one, odd', [[7, 11, 3]]),
  averagesCase('seven', [[16, 24], [3], [4099], [], [8], [2, 3], [64]]),
  averagesCase('largest parameters of ConvNeXt-T', [LARGEST, LARGEST], ['bench']),
];

export const swapCases: readonly Case<SwapAttributes>[] = [
  swapCase('odd count', [7, 11, 3]),
  swapCase('in fours', [16, 24]),
  swapCase('one element', []),
  swapCase('several groups a thread', [4099]),
  swapCase('largest parameter of ConvNeXt-T', LARGEST, ['bench']),
];

export const squaresCases: readonly Case<SquaresAttributes>[] = [
  squaresCase('odd count', [{ shape: [7, 11] }], 1, [{ first: 0 }]),
  squaresCase('several slots between those of others', [{ shape: [2049] }], 9, [{ first: 3 }]),
  squaresCase('scalar', [{ shape: [] }], 3, [{ first: 1 }]),
  squaresCase('more than a workgroup of slots', [{ shape: [100, 400] }], 80, [{ first: 1 }]),
  squaresCase(
    'NaN and infinities are counted and left out',
    [values(Number.NaN, 2, Number.POSITIVE_INFINITY, -3, Number.NEGATIVE_INFINITY, 3.4e38 / 3e38)],
    2,
    [{ first: 1 }],
  ),
  squaresCase('a loss: searched, not summed', [values(Number.NaN)], 2, [{ first: 0, weight: 0 }]),
  squaresCase('a finite loss', [values(7)], 2, [{ first: 0, weight: 0 }]),
  squaresCase(
    'seven tensors, the last only searched',
    [[600], [3], [40, 40], [], [4], [1025], [1]].map((shape) => ({ shape })),
    13,
    [0, 2, 3, 7, 8, 9, 12].map((first, k) => ({ first, weight: k < 6 ? 1 : 0 })),
  ),
  squaresCase(
    'largest parameters of ConvNeXt-T',
    [{ shape: LARGEST }, { shape: LARGEST }],
    2 * slotsFor(LARGEST[0] * LARGEST[1]),
    [{ first: 0 }, { first: slotsFor(LARGEST[0] * LARGEST[1]) }],
    ['bench'],
  ),
];

export const clipGateCases: readonly Case<ClipGuardAttributes>[] = [
  guardCase('clips', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 1 }),
  guardCase('short enough already', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 100 }),
  guardCase('no clipping', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 0 }),
  guardCase('unused slots are not read', { shape: [3, 2], fill: { values: FINITE } }, { count: 2, maxNorm: 1 }),
  guardCase('all gradients zero', { shape: [70, 2], fill: 'zeros' }, { count: 70, maxNorm: 1 }),
  guardCase('a non-finite element', { shape: [3, 2], fill: { values: [4, 0, 9, 2, 3, 0] } }, { count: 3, maxNorm: 1 }),
  guardCase(
    'the sum overflows',
    { shape: [2, 2], fill: { values: [Number.POSITIVE_INFINITY, 0, 1, 0] } },
    { count: 2, maxNorm: 1 },
  ),
  guardCase('opens again', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 1, sticky: false }),
  guardCase('stays shut', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 1, sticky: true }),
  guardCase(
    'scaled, grows',
    { shape: [3, 2], fill: { values: FINITE } },
    { count: 3, maxNorm: 0.001, growthInterval: 8 },
    ['test'],
    values(1024, 7, 3, 0),
  ),
  guardCase(
    'scaled, does not grow yet',
    { shape: [3, 2], fill: { values: FINITE } },
    { count: 3, maxNorm: 0, growthInterval: 9 },
    ['test'],
    values(1024, 7, 3, 0),
  ),
  guardCase(
    'scaled, grows no further',
    { shape: [3, 2], fill: { values: FINITE } },
    { count: 3, maxNorm: 0, growthInterval: 1 },
    ['test'],
    values(2 ** 24, 0, 0, 0),
  ),
  guardCase(
    'scaled, not finite',
    { shape: [3, 2], fill: { values: [4, 0, 9, 2, 3, 0] } },
    { count: 3, maxNorm: 1, growthInterval: 8 },
    ['test'],
    values(1024, 7, 3, 0),
  ),
  guardCase('slots of ConvNeXt-T', { shape: [56_000, 2], fill: 'zeros' }, { count: 56_000, maxNorm: 1 }, ['bench']),
];

const dotCase = (name: string, shape: readonly number[], purpose: Case['purpose'] = ['test']): Case => ({
  name,
  inputs: [{ shape }, { shape }],
  attributes: {},
  purpose,
});

const dotsCase = (
  name: string,
  shape: readonly number[],
  slots: number,
  attributes: DotsAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<DotsAttributes> => ({ name, inputs: [{ shape }, { shape }, { shape: [slots, 4] }], attributes, purpose });

const totalsCase = (
  name: string,
  slots: number,
  attributes: DotTotalsAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<DotTotalsAttributes> => ({ name, inputs: [{ shape: [slots, 4] }], attributes, purpose });

const alpha: CaseInput = { shape: [3], fill: { values: [0.5, -1.25, 3] } };

const axpyCase = (
  name: string,
  shape: readonly number[],
  attributes: AxpyAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<AxpyAttributes> => ({
  name,
  inputs: [{ shape }, { shape }, alpha],
  attributes,
  purpose,
  tolerance: ELEMENTWISE_TOLERANCE,
});

export const dotCases: readonly Case<object>[] = [
  dotCase('tiny', [2, 3], ['test', 'gradient']),
  dotCase('scalars', [], ['test', 'gradient']),
  dotCase('in fours', [4, 8], ['test', 'gradient']),
  dotCase('several slots, odd', [41, 151]),
  dotCase('more than a workgroup of slots', [100, 400]),
  dotCase('largest parameter of ConvNeXt-T', LARGEST, ['bench']),
];

export const dotsCases: readonly Case<DotsAttributes>[] = [
  dotsCase('odd count', [7, 11], 1, { first: 0 }),
  dotsCase('several slots between those of others', [2049], 9, { first: 3 }),
  dotsCase('scalar', [], 3, { first: 1 }),
  dotsCase('more than a workgroup of slots', [100, 400], 80, { first: 1 }),
  dotsCase('largest parameter of ConvNeXt-T', LARGEST, slotsFor(LARGEST[0] * LARGEST[1]), { first: 0 }, ['bench']),
];

export const dotTotalsCases: readonly Case<DotTotalsAttributes>[] = [
  totalsCase('one slot', 1, { count: 1 }),
  totalsCase('a range', 9, { first: 2, count: 5 }),
  totalsCase('more slots than threads', 201, { first: 1, count: 200 }),
  totalsCase('slots of ConvNeXt-T', 56_000, { count: 56_000 }, ['bench']),
];

export const axpyCases: readonly Case<AxpyAttributes>[] = [
  axpyCase('odd count', [7, 11, 3], {}),
  axpyCase('in fours, another element', [16, 24], { index: 1 }),
  axpyCase('one element, scaled', [], { index: 2, scale: -0.5 }),
  axpyCase('several groups a thread', [4099], { index: 1, scale: -1 }),
  axpyCase('largest parameter of ConvNeXt-T', LARGEST, {}, ['bench']),
];
