/** Tier: any adapter. Steps shared out over ranks are bitwise those of one process, whatever their number. */
import { afterEach, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { treeSum } from '../../engine/node/ranks.ts';
import { localRanks } from '../../engine/node/testsupport.ts';
import type { TrainStepOptions } from './step.ts';
import { shareOf } from './rankSharing.ts';
import { makeBatch, makeRig, NOISY, stateOf } from './testsupport.ts';
import { GradientSurgery, GradNormWeighting, UncertaintyWeighting } from './weighting/index.ts';

closeDeviceAfterwards();
afterEach(() => {
  setEngine(null);
});

type RigOptions = NonNullable<Parameters<typeof makeRig>[1]>;

/** Trains `steps` steps of four micro-batches on `size` ranks of this process; what a checkpoint of rank 0 would hold, and its reports. */
async function train(size: number, options: RigOptions, steps = 2) {
  const device = await testDevice();
  const all = localRanks(size);
  const rigs = all.map((ranks) => {
    const sharing = size > 1 ? { ranks, share: shareOf(4, ranks), wantsStop: () => false } : null;
    // One device for all ranks: a capture would hold up the others.
    return makeRig(device, { ...options, capture: false, sharing });
  });
  const reports = [];
  for (let step = 0; step < steps; step++) {
    const batches = [0, 1, 2, 3].map((part) => makeBatch(2, 2, 1 + 4 * step + part));
    const own = await Promise.all(
      rigs.map((rig, rank) => rig.step.run(batches.slice((rank * 4) / size, ((rank + 1) * 4) / size), step, 0.01)),
    );
    for (const report of own) expect(report).toEqual(own[0]);
    reports.push(own[0]);
  }
  const states = await Promise.all(rigs.map(stateOf));
  for (const state of states) expect(state).toEqual(states[0]);
  for (const rig of rigs) rig.dispose();
  return { state: states[0], reports };
}

describe('a step shared out over ranks', () => {
  const cases: readonly (readonly [string, readonly number[], RigOptions])[] = [
    ['dropout, batch norm, clipping, averages', [2, 4], { network: NOISY, maxNorm: 0.1 }],
    ['uncertainty weighting', [4], { makeWeighting: () => new UncertaintyWeighting() }],
    ['GradNorm', [4], { makeWeighting: (engine) => new GradNormWeighting(engine, 1.5) }],
    ['PCGrad', [2], { makeWeighting: () => new GradientSurgery(), network: NOISY }],
    ['routing by the gate', [2], { routing: 'hard' }],
    [
      'gumbel routing',
      [2],
      { routing: 'gumbel', gumbel: { seed: 3, tau: [2, 0.5], totalSteps: 10 } } satisfies Partial<TrainStepOptions>,
    ],
  ];
  it.each(cases)('is bitwise that of one process: %s, on %j ranks', async (_name, sizes, options) => {
    const one = await train(1, options);
    expect(one.reports.every(({ finite }) => finite)).toBe(true);
    for (const size of sizes) {
      const shared = await train(size, options);
      expect(shared.reports).toEqual(one.reports);
      expect(shared.state).toEqual(one.state);
    }
  });

  it('captured in one process is bitwise the same as eager, with statistics of micro-batches deferred', async () => {
    const eager = await train(1, { network: NOISY });
    const rig = makeRig(await testDevice(), { network: NOISY });
    const reports = [];
    for (let step = 0; step < 2; step++) {
      const batches = [0, 1, 2, 3].map((part) => makeBatch(2, 2, 1 + 4 * step + part));
      reports.push(await rig.step.run(batches, step, 0.01));
    }
    expect(reports).toEqual(eager.reports);
    expect(await stateOf(rig)).toEqual(eager.state);
    rig.dispose();
  });

  it('stops on all ranks when one is asked to, and refuses micro-batches that are not subtrees', async () => {
    const device = await testDevice();
    const rigs = localRanks(2).map((ranks, rank) =>
      makeRig(device, { capture: false, sharing: { ranks, share: shareOf(2, ranks), wantsStop: () => rank === 1 } }),
    );
    const reports = await Promise.all(rigs.map((rig) => rig.step.run(makeBatch(1, 1), 0, 0.01)));
    expect(reports.map(({ stop }) => stop)).toEqual([true, true]);
    for (const rig of rigs) rig.dispose();
    expect(() => shareOf(1, { rank: 0, size: 4 })).toThrow(
      /training.accumulate is 1, which cannot be shared out over 4 ranks/,
    );
    expect(() => shareOf(6, { rank: 0, size: 2 })).toThrow(/1, 2, 4 … for each/);
    expect(shareOf(6, { rank: 1, size: 3 })).toEqual({ total: 6, first: 2, count: 2 });
    expect(shareOf(7, { rank: 0, size: 1 })).toEqual({ total: 7, first: 0, count: 7 });
  });
});

describe('the sum in a fixed tree', () => {
  it('adds halves, not one after another, and can take subnormal numbers for 0', () => {
    const numbers = [1, 2 ** -24, 2 ** -24, 2 ** -24, 2 ** -24].map((value) => Float32Array.of(value));
    // (1 + e) + (e + e) = 1 + 2e, and + e rounds to even; one after another would never leave 1.
    const half = Math.fround(Math.fround(1 + 2 ** -24) + 2 ** -23);
    expect(treeSum(numbers, false)[0]).toBe(Math.fround(half + 2 ** -24));
    expect(
      treeSum(
        numbers.map((value) => value.slice()),
        false,
      )[0],
    ).toBeGreaterThan(1);
    const tiny = () => [Float32Array.of(1e-39), Float32Array.of(2e-39)];
    expect(treeSum(tiny(), false)[0]).toBeGreaterThan(0);
    expect(treeSum(tiny(), true)[0]).toBe(0);
  });
});
