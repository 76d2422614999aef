/** Tier: no adapter. What losses and normalization refuse, and how their plans come out. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type PlanTarget } from '../../gpu/kernel.ts';
import { f32, type TensorSpec } from '../../tensor/spec.ts';
import { batchNormProgram } from '../batchNorm/program.ts';
import { bceWithLogitsProgram } from '../bceWithLogits/program.ts';
import { cornProgram } from '../corn/program.ts';
import { crossEntropyProgram } from '../crossEntropy/program.ts';
import { entropyProgram } from '../entropy/program.ts';
import { layerNormProgram } from '../layerNorm/program.ts';
import { softDiceProgram } from '../softDice/program.ts';
import { sampleGrid } from './plan.ts';

const labels = (...shape: number[]): TensorSpec => ({ shape, dtype: 'i32' });
const GPU: PlanTarget = { deviceClass: 'gpu', limits: DEFAULT_LIMITS, features: new Set(), subgroupSize: 0 };

describe('losses and normalization name what does not fit', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'labels of another shape',
      () => crossEntropyProgram.infer([f32([4, 3]), labels(3)], {}),
      /labels must be i32 of shape \[4\]/,
    ],
    ['labels that are not integers', () => crossEntropyProgram.infer([f32([4, 3]), f32([4])], {}), /not f32 \[4\]/],
    [
      'class weights',
      () => crossEntropyProgram.infer([f32([4, 3]), labels(4), f32([4])], {}),
      /class weights of \[4\] for 3/,
    ],
    [
      'smoothing',
      () => crossEntropyProgram.infer([f32([4, 3]), labels(4)], { labelSmoothing: 1.5 }),
      /outside \[0, 1\]/,
    ],
    [
      'unannounced weights',
      () => bceWithLogitsProgram.infer([f32([4, 3]), f32([4, 3]), f32([3])], {}),
      /posWeight false/,
    ],
    [
      'weights the wrong way round',
      () =>
        bceWithLogitsProgram.infer([f32([4, 3]), f32([4, 3]), f32([4]), f32([3])], {
          posWeight: true,
          sampleWeights: true,
        }),
      /\[3\] \[4\], not \[4\] \[3\]/,
    ],
    [
      'sample weights for a loss a sample',
      () =>
        bceWithLogitsProgram.infer([f32([4, 3]), f32([4, 3]), f32([4])], { sampleWeights: true, reduction: 'sample' }),
      /multiply its result/,
    ],
    [
      'focal gamma',
      () => bceWithLogitsProgram.infer([f32([4, 3]), f32([4, 3])], { gamma: -1 }),
      /gamma of -1 is negative/,
    ],
    [
      'focal alpha',
      () => bceWithLogitsProgram.infer([f32([4, 3]), f32([4, 3])], { alpha: 1.25 }),
      /alpha of 1.25 is outside \[0, 1\]/,
    ],
    [
      'Tversky weights',
      () => softDiceProgram.infer([f32([2, 4, 3]), f32([2, 4, 3])], { alpha: 0.3, beta: -0.7 }),
      /0.3 and -0.7/,
    ],
    [
      'one Dice a sample of sums over the batch',
      () => softDiceProgram.infer([f32([2, 4, 3]), f32([2, 4, 3])], { perSample: false, reduction: 'none' }),
      /per sample without sample weights/,
    ],
    ['grades', () => cornProgram.infer([f32([4, 3]), f32([4])], {}), /labels must be i32 of shape \[4\]/],
    ['targets', () => softDiceProgram.infer([f32([2, 4, 3]), f32([2, 4, 2])], {}), /targets of \[2, 4, 2\]/],
    ['sample weights', () => entropyProgram.infer([f32([2, 3]), f32([3])], {}), /sample weights of \[3\]/],
    [
      'weight and bias',
      () => layerNormProgram.infer([f32([2, 3]), f32([3]), f32([2])], { eps: 1e-6 }),
      /must both be \[3\]/,
    ],
    [
      'training on one value per channel',
      () => batchNormProgram.infer([f32([1, 1, 3]), f32([3]), f32([3]), f32([3]), f32([3])], { training: true }),
      /more than one value per channel/,
    ],
  ])('%s', (_name, infer, message) => {
    expect(infer).toThrow(message);
  });
});

describe('plans', () => {
  it('a loss over few rows is one dispatch', () => {
    const plan = crossEntropyProgram.plan([f32([32, 5]), labels(32)], [f32([]), f32([])], {}, GPU);
    expect(plan?.dispatches).toHaveLength(1);
  });

  it('a thread of a sample grid meets the same channels in every turn, and every element has a thread', () => {
    for (const [samples, perSample, channels] of [
      [8, 81_920, 5],
      [1, 7, 7],
      [3, 12, 3],
      [2, 4096, 96],
    ]) {
      for (const vector of [false, true]) {
        const grid = sampleGrid(samples, perSample, channels, 512, vector);
        if (!grid) {
          expect(perSample % 4).not.toBe(0);
          continue;
        }
        expect(grid.threads % channels).toBe(0);
        expect(grid.groups * 64).toBeGreaterThanOrEqual(grid.threads);
        expect(grid.workgroups).toBe(samples * grid.groups);
      }
    }
  });
});
