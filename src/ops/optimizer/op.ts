import {
  type Case,
  type CaseInput,
  defineOp,
  ELEMENTWISE_TOLERANCE,
  type Op,
  type Program,
  type Tolerance,
} from '../definition.ts';
import {
  type AdamwAttributes,
  adamwProgram,
  emaProgram,
  gatedScaleProgram,
  type SgdAttributes,
  sgdProgram,
  swapProgram,
} from './elementwise.ts';
import { type ClipGateAttributes, clipGateProgram, type SquaresAttributes, slotsFor, squaresProgram } from './norm.ts';

const NONE = { none: 'an optimiser step works on parameters in place and is not differentiated' } as const;

const STEP_TOLERANCE: Tolerance = {
  relativeL2: 1e-6,
  element: 4e-6,
  reason: 'about ten float32 roundings an element, and the WGSL allowance of 2.5 ulp for division and a few for sqrt',
};

const values = (...numbers: number[]): CaseInput => ({ shape: [numbers.length], fill: { values: numbers } });
const OPEN = values(1, 0, 0, 0);
const SHUT = values(0, 0, 1, 3);
const CLIPPED = values(0.25, 4, 0, 2);

/** Elements of a weight of ConvNeXt-T's last stage (768 x 3072), its largest parameter. */
const LARGEST = [768, 3072] as const;

/** Odd, aligned and one-element shapes, an open, a clipping and a shut gate, and the largest parameter for the bench. */
function stepCases<A extends object>(
  inputsOf: (shape: readonly number[], gate: CaseInput) => readonly CaseInput[],
  plain: A,
  other: A,
  tolerance: Tolerance,
): Case<A>[] {
  const test = { purpose: ['test'], tolerance } as const;
  return [
    { name: 'odd count', inputs: inputsOf([7, 11, 3], OPEN), attributes: plain, ...test },
    { name: 'in fours, other attributes', inputs: inputsOf([16, 24], OPEN), attributes: other, ...test },
    { name: 'one element, clipped', inputs: inputsOf([1], CLIPPED), attributes: plain, ...test },
    { name: 'several groups a thread, clipped', inputs: inputsOf([4099], CLIPPED), attributes: other, ...test },
    { name: 'shut gate: nothing moves', inputs: inputsOf([3, 5], SHUT), attributes: plain, ...test },
    { name: 'largest parameter of ConvNeXt-T', inputs: inputsOf(LARGEST, OPEN), attributes: plain, purpose: ['bench'] },
  ];
}

const adamwStep = defineOp<AdamwAttributes>({
  name: 'adamwStep',
  forward: adamwProgram,
  gradient: NONE,
  cases: stepCases<AdamwAttributes>(
    (shape, gate) => [
      { shape },
      { shape },
      { shape },
      { shape, fill: 'uniform' },
      values(0.01, 1 / (1 - 0.9 ** 3), 1 / Math.sqrt(1 - 0.999 ** 3), 0),
      gate,
    ],
    { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.05 },
    { beta1: 0.8, beta2: 0.95, eps: 1e-3, weightDecay: 0, lrScale: 0.5 },
    STEP_TOLERANCE,
  ),
});

const sgdStep = defineOp<SgdAttributes>({
  name: 'sgdStep',
  forward: sgdProgram,
  gradient: NONE,
  cases: stepCases<SgdAttributes>(
    (shape, gate) => [{ shape }, { shape }, { shape }, values(0.1, 0, 0, 0), gate],
    { momentum: 0.9, nesterov: false, weightDecay: 1e-2 },
    { momentum: 0.8, nesterov: true, weightDecay: 0.1, lrScale: 0.5 },
    STEP_TOLERANCE,
  ),
});

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

function plainOp(name: string, forward: Program, cases: readonly Case[]): Op {
  return defineOp({ name, forward, gradient: NONE, cases });
}

const emaStep = plainOp(
  'emaStep',
  emaProgram,
  plainCases((shape) => [{ shape }, { shape }, values(0.125, 0, 0, 0)]),
);
const swap = plainOp(
  'swap',
  swapProgram,
  plainCases((shape) => [{ shape }, { shape }]),
);
const gatedScale = plainOp('gatedScale', gatedScaleProgram, [
  ...plainCases((shape) => [{ shape }, CLIPPED]),
  {
    name: 'shut gate: nothing moves',
    inputs: [{ shape: [6] }, SHUT],
    attributes: {},
    purpose: ['test'],
    tolerance: ELEMENTWISE_TOLERANCE,
  },
]);

const squaresCase = (
  name: string,
  x: CaseInput,
  slots: number,
  attributes: SquaresAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<SquaresAttributes> => ({ name, inputs: [x, { shape: [slots, 2] }], attributes, purpose });

const squaresToSlots = defineOp<SquaresAttributes>({
  name: 'squaresToSlots',
  forward: squaresProgram,
  gradient: NONE,
  cases: [
    squaresCase('odd count', { shape: [7, 11] }, 1, { first: 0 }),
    squaresCase('several slots between those of others', { shape: [2049] }, 9, { first: 3 }),
    squaresCase('scalar', { shape: [] }, 3, { first: 1 }),
    squaresCase('more than a workgroup of slots', { shape: [100, 400] }, 80, { first: 1 }),
    squaresCase(
      'NaN and infinities are counted and left out',
      {
        shape: [6],
        fill: { values: [Number.NaN, 2, Number.POSITIVE_INFINITY, -3, Number.NEGATIVE_INFINITY, 3.4e38 / 3e38] },
      },
      2,
      { first: 1 },
    ),
    squaresCase('a loss: searched, not summed', { shape: [], fill: { values: [Number.NaN] } }, 2, {
      first: 0,
      weight: 0,
    }),
    squaresCase('a finite loss', { shape: [], fill: { values: [7] } }, 2, { first: 0, weight: 0 }),
    squaresCase(
      'largest parameter of ConvNeXt-T',
      { shape: LARGEST },
      slotsFor(LARGEST[0] * LARGEST[1]),
      { first: 0 },
      ['bench'],
    ),
  ],
});

const gateCase = (
  name: string,
  slots: CaseInput,
  attributes: ClipGateAttributes,
  purpose: Case['purpose'] = ['test'],
): Case<ClipGateAttributes> => ({ name, inputs: [slots, values(0.5, 7, 1, 2)], attributes, purpose });

const FINITE = [4, 0, 9, 0, 3, 0];

const clipGate = defineOp<ClipGateAttributes>({
  name: 'clipGate',
  forward: clipGateProgram,
  gradient: NONE,
  cases: [
    gateCase('clips', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 1 }),
    gateCase('short enough already', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 100 }),
    gateCase('no clipping', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 0 }),
    gateCase('unused slots are not read', { shape: [3, 2], fill: { values: FINITE } }, { count: 2, maxNorm: 1 }),
    gateCase('all gradients zero', { shape: [70, 2], fill: 'zeros' }, { count: 70, maxNorm: 1 }),
    gateCase('a non-finite element', { shape: [3, 2], fill: { values: [4, 0, 9, 2, 3, 0] } }, { count: 3, maxNorm: 1 }),
    gateCase(
      'the sum overflows',
      { shape: [2, 2], fill: { values: [Number.POSITIVE_INFINITY, 0, 1, 0] } },
      { count: 2, maxNorm: 1 },
    ),
    gateCase('opens again', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 1, sticky: false }),
    gateCase('stays shut', { shape: [3, 2], fill: { values: FINITE } }, { count: 3, maxNorm: 1, sticky: true }),
    gateCase('slots of ConvNeXt-T', { shape: [56_000, 2], fill: 'zeros' }, { count: 56_000, maxNorm: 1 }, ['bench']),
  ],
});

/** In-place programs of the optimisers. */
export const optimizerOps: readonly Op[] = [adamwStep, sgdStep, emaStep, swap, gatedScale, squaresToSlots, clipGate];
