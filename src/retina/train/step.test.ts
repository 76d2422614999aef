/** Tier: any adapter. Training steps on a tiny network: they learn, repeat bitwise when replayed, leak nothing, and stop at NaN. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Batch } from '../data/loading/batch.ts';
import { LOSS_DEFAULTS } from '../network/testsupport.ts';
import type { StepReport } from './stepReport.ts';
import { makeBatch, makeRig, NOISY, rowsOf, stateOf } from './testsupport.ts';
import { GradientSurgery, GradNormWeighting } from './weighting/index.ts';

closeDeviceAfterwards();
afterEach(() => {
  setEngine(null);
});

/** A leak of one buffer per step would show after a few; GMTL_LEAK_STEPS=1000 runs the long form. */
const LEAK_STEPS = Number(process.env.GMTL_LEAK_STEPS ?? 60);

describe('TrainStep', () => {
  it('learns four images by heart: the loss falls twentyfold', async () => {
    const rig = makeRig(await testDevice(), {
      network: { gateHidden: 16, retinopathyHidden: 16, edemaHidden: 16, decoderChannels: [8, 8, 8, 8] },
      objective: { ...LOSS_DEFAULTS, labelSmoothing: 0 },
    });
    const batch = makeBatch(2, 2);
    const steps = 120;
    const first = await rig.step.run(batch, 0, 0.01);
    let last: StepReport = first;
    for (let step = 1; step < steps; step++) last = await rig.step.run(batch, step, 0.02 * (1 - step / steps) + 0.001);
    expect(first.finite).toBe(true);
    expect(last.losses.total).toBeLessThan(first.losses.total / 20);
    for (const part of ['bce', 'dice', 'retinopathy', 'edema', 'gate'] as const)
      expect(last.losses[part], part).toBeLessThan(first.losses[part] / 5);
    // By heart: every grade that has a label.
    const labeled = (of: Int32Array) => of.filter((label, row) => label >= 0 && batch.task[row] === 1).length;
    expect(last.grades).toEqual({
      retinopathy: { right: labeled(batch.retinopathy), of: labeled(batch.retinopathy) },
      edema: { right: labeled(batch.edema), of: labeled(batch.edema) },
    });
    expect(last.grades.retinopathy.of).toBeGreaterThan(0);
    for (const [row, task] of batch.task.entries())
      expect(last.gateProbabilities[2 * row + task], `row ${row}`).toBeGreaterThan(0.95);
    rig.dispose();
  });

  it('is bitwise the same eager, recorded and replayed, with dropout, drop path, clipping and averages', async () => {
    const device = await testDevice();
    const results: { state: Record<string, Float32Array>; reports: StepReport[] }[] = [];
    for (const capture of [false, true]) {
      const rig = makeRig(device, { network: NOISY, maxNorm: 0.1, capture });
      const reports: StepReport[] = [];
      // Two shapes of batch in turn: each is recorded by itself.
      for (let step = 0; step < 9; step++) {
        const batch = step % 3 === 2 ? makeBatch(1, 2, step) : makeBatch(2, 1, step);
        reports.push(await rig.step.run(batch, step, 0.01 / (step + 1)));
      }
      results.push({ state: await stateOf(rig), reports });
      rig.dispose();
    }
    const [eager, replayed] = results;
    expect(eager.reports.every(({ finite, gradNorm }) => finite && gradNorm > 0.1)).toBe(true);
    expect(replayed.reports).toEqual(eager.reports);
    expect(Object.keys(replayed.state)).toEqual(Object.keys(eager.state));
    for (const [name, data] of Object.entries(eager.state)) expect(replayed.state[name], name).toEqual(data);
  });

  it('draws new masks at each step: the same batch twice gives two losses, and a repeated step the same', async () => {
    const rig = makeRig(await testDevice(), { network: NOISY });
    const batch = makeBatch(2, 2);
    const totals: number[] = [];
    for (const step of [0, 1, 1, 2, 1, 0]) totals.push((await rig.step.run(batch, step, 0)).losses.total);
    const [zero, one, again, two, replayed, zeroAgain] = totals;
    expect(again).toBe(one);
    expect(replayed).toBe(one);
    expect(zeroAgain).toBe(zero);
    expect(new Set([zero, one, two]).size).toBe(3);
    rig.dispose();
  });

  it('draws masks of its own for each micro-batch, alike in eager and replayed steps', async () => {
    const batch = makeBatch(2, 2);
    const seen: number[][] = [];
    for (const capture of [false, true]) {
      // LayerNorm: no statistics that a step before would have moved. A learning rate of 0: the weights stay.
      const rig = makeRig(await testDevice(), { network: { ...NOISY, decoderNorm: 'layer' }, capture });
      const totals: number[] = [];
      for (const batches of [[batch], [batch, batch], [batch, batch]]) {
        totals.push((await rig.step.run(batches, 3, 0)).losses.total);
      }
      rig.dispose();
      // The first micro-batch has the masks of a step without others; with the same masks twice the mean would be that step's loss.
      expect(totals[1]).not.toBeCloseTo(totals[0], 5);
      expect(totals[2]).toBe(totals[1]);
      seen.push(totals);
    }
    expect(seen[1]).toEqual(seen[0]);
  });

  it(`holds no more memory after ${LEAK_STEPS} steps than after 5, and gives all of it back`, async () => {
    const device = await testDevice();
    const before = device.statistics();
    const rig = makeRig(device, { network: { ...NOISY, decoderChannels: [4, 4, 4, 4] } });
    const batch = makeBatch(1, 1);
    let early = device.statistics();
    for (let step = 0; step < LEAK_STEPS; step++) {
      const report = rig.step.run(batch, step, 1e-3);
      if (step === 5 || step % 20 === 19) await report;
      if (step === 5) early = device.statistics();
      else report.catch(() => undefined);
    }
    const late = device.statistics();
    expect(early.liveBytes).toBeGreaterThan(before.liveBytes);
    expect({ live: late.liveBytes, allocated: late.allocatedBytes, buffers: late.allocatedBuffers }).toEqual({
      live: early.liveBytes,
      allocated: early.allocatedBytes,
      buffers: early.allocatedBuffers,
    });
    rig.dispose();
    device.trim();
    expect(device.statistics().liveBuffers).toBe(before.liveBuffers);
    expect(device.statistics().allocatedBytes).toBeLessThanOrEqual(before.allocatedBytes);
  });

  it('holds no more memory after 10 eager steps than after 3', async () => {
    const device = await testDevice();
    for (const options of [{ capture: false }, { routing: 'hard' } as const]) {
      const rig = makeRig(device, options);
      const batch = makeBatch(1, 1);
      let early = 0;
      for (let step = 0; step < 10; step++) {
        await rig.step.run(batch, step, 0);
        if (step === 3) early = device.statistics().liveBytes;
      }
      expect(device.statistics().liveBytes).toBe(early);
      rig.dispose();
    }
  });

  it('routing by the gate trains an expert only on the rows the gate sends to it, one step after another', async () => {
    const device = await testDevice();
    const rig = makeRig(device, { routing: 'hard' });
    const batch = makeBatch(2, 2);
    const bias = async (task: number): Promise<void> => {
      const parameter = [...rig.model.namedParameters()].find(([name]) => name === 'gate.3.bias')?.[1];
      parameter?.write(Float32Array.of(task === 0 ? 50 : -50, task === 0 ? -50 : 50));
    };
    await bias(0);
    const before = await rig.model.stateDict();
    const segmented = await rig.step.run(batch, 0, 0.01);
    expect(segmented.losses.bce).toBeGreaterThan(0);
    expect(segmented.losses.retinopathy).toBeNaN();
    const after = await rig.model.stateDict();
    const changed = (part: string): boolean =>
      [...after].some(
        ([name, { data }]) => name.startsWith(part) && data.some((x, i) => x !== before.get(name)?.data[i]),
      );
    expect([changed('decoder.'), changed('trunk.'), changed('retinopathy.'), changed('edema.')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    await bias(1);
    // Both are asked for at once; the second must wait for the first.
    const [graded, next] = await Promise.all([rig.step.run(batch, 1, 0), rig.step.run(batch, 2, 0)]);
    expect(graded.losses.bce).toBeNaN();
    expect(graded.losses.retinopathy).toBeGreaterThan(0);
    expect(next.losses.total).toBe(graded.losses.total);
    rig.dispose();
  });

  it('routing by the gate gives the same whether or not the next step is asked for early', async () => {
    const device = await testDevice();
    const states: Record<string, Float32Array>[] = [];
    for (const early of [false, true]) {
      const rig = makeRig(device, { routing: 'hard', network: NOISY });
      const reports: Promise<StepReport>[] = [];
      for (let step = 0; step < 4; step++) {
        const report = rig.step.run(makeBatch(2, 2, step), step, 0.02 / (step + 1));
        reports.push(report);
        if (!early) await report;
      }
      await Promise.all(reports);
      states.push(await stateOf(rig));
      rig.dispose();
    }
    expect(states[1]).toEqual(states[0]);
  });

  it.each([0, 2])(
    'leaves everything as it was when a batch holds NaN, after %i good steps, and names the op',
    async (good) => {
      const rig = makeRig(await testDevice(), { network: NOISY });
      for (let step = 0; step < good; step++) await rig.step.run(makeBatch(2, 2, step), step, 0.01);
      const before = await stateOf(rig);
      const bad = makeBatch(2, 2);
      bad.image[5] = Number.NaN;
      const report = await rig.step.run(bad, good, 0.01);
      expect(report.finite).toBe(false);
      const after = await stateOf(rig);
      for (const [name, data] of Object.entries(before)) {
        // Batch statistics are taken as the forward pass goes by: training stops, and nothing of this step is ever saved.
        if (name.includes('running_') || name.includes('num_batches')) continue;
        // The averages go on towards the weights, which did not move.
        if (name.startsWith('average')) expect(after[name].every(Number.isFinite), name).toBe(true);
        else expect(after[name], name).toEqual(data);
      }
      const finding = await rig.step.diagnose(bad, good);
      expect(finding).toMatchObject({ inputsWere: true });
      expect(finding?.program).toMatch(/conv/i);
      expect(finding?.shapes).toContain('[4, 32, 32, 3]');
      // And it goes on from there.
      expect((await rig.step.run(makeBatch(2, 2), good + 1, 0.01)).finite).toBe(true);
      rig.dispose();
    },
  );

  it.each(['soft', 'gumbel', 'both', 'none'] as const)(
    'routing %s is bitwise the same eager and replayed and teaches both experts',
    async (routing) => {
      const device = await testDevice();
      const states: Record<string, Float32Array>[] = [];
      for (const capture of [false, true]) {
        const gumbel = { seed: 3, tau: [1, 0.1] as const, totalSteps: 5 };
        const rig = makeRig(device, { routing, gumbel, capture, conflictEvery: 2 });
        const reports: StepReport[] = [];
        for (let step = 0; step < 5; step++) reports.push(await rig.step.run(makeBatch(2, 2, step), step, 0.01));
        expect(reports.map(({ gradientCosine }) => Number.isNaN(gradientCosine))).toEqual([
          true,
          false,
          true,
          false,
          true,
        ]);
        for (const { finite, losses } of reports) {
          expect(finite).toBe(true);
          expect(losses.bce).toBeGreaterThan(0);
          expect(losses.retinopathy).toBeGreaterThan(0);
        }
        states.push(await stateOf(rig));
        rig.dispose();
      }
      expect(states[1]).toEqual(states[0]);
    },
  );

  it('is handed over before the last one is read again, once the recording has run', async () => {
    const rig = makeRig(await testDevice(), { conflictEvery: 5 });
    // The trainer's order: the next step is begun before the report of the last is awaited.
    let last = rig.step.run(makeBatch(2, 2, 0), 0, 0.01);
    const replays: (number | undefined)[] = [];
    for (let step = 1; step < 8; step++) {
      const [recorded] = rig.step.captured;
      const replay = recorded && vi.spyOn(recorded, 'replay');
      const next = rig.step.run(makeBatch(2, 2, step), step, 0.01);
      replays.push(replay?.mock.calls.length);
      replay?.mockRestore();
      expect((await last).finite).toBe(true);
      last = next;
    }
    await last;
    // The first was being recorded when the second was begun; the fifth measured, and so ran eagerly.
    expect(replays).toEqual([undefined, 1, 1, 0, 1, 1, 1]);
    rig.dispose();
  });

  it.each([
    ['gradnorm', (engine: Engine) => new GradNormWeighting(engine, 1.5)],
    ['pcgrad', () => new GradientSurgery()],
  ] as const)('%s replays bitwise, and measures the cosine in each step', async (_name, make) => {
    const device = await testDevice();
    const states: Record<string, Float32Array>[] = [];
    for (const capture of [false, true]) {
      const rig = makeRig(device, { capture, makeWeighting: make });
      for (let step = 0; step < 4; step++) {
        const { gradientCosine } = await rig.step.run(makeBatch(2, 2, step), step, 0.01);
        expect(Math.abs(gradientCosine)).toBeLessThan(1);
      }
      states.push(await stateOf(rig));
      rig.dispose();
    }
    expect(states[1]).toEqual(states[0]);
  });

  it('with recomputed blocks gives bitwise the same, eager and replayed, though it runs them twice', async () => {
    const device = await testDevice();
    const states: Record<string, Float32Array>[] = [];
    const dispatches: number[] = [];
    for (const [recompute, capture] of [
      [false, true],
      [true, false],
      [true, true],
    ]) {
      const network = { ...NOISY, recompute, trunk: { depths: [1, 1, 3, 1], dims: [4, 6, 7, 8] } };
      const rig = makeRig(device, { network, capture });
      for (let step = 0; step < 4; step++) await rig.step.run(makeBatch(2, 2, step), step, 0.01);
      states.push(await stateOf(rig));
      dispatches.push(rig.step.captured[0]?.dispatches ?? 0);
      rig.dispose();
    }
    expect(states[1]).toEqual(states[0]);
    expect(states[2]).toEqual(states[0]);
    // Six blocks of five ops at least.
    expect(dispatches[2] - dispatches[0]).toBeGreaterThanOrEqual(6 * 5);
  });

  it('averages the gradients of micro-batches: two of four rows teach what one of eight does', async () => {
    const device = await testDevice();
    const whole = makeBatch(4, 4);
    const half = (first: number, graded: number): Batch => rowsOf(whole, [first, first + 1, graded, graded + 1]);
    const states: Record<string, Float32Array>[] = [];
    for (const batches of [[whole], [half(0, 4), half(2, 6)]]) {
      // BatchNorm's statistics are those of a micro-batch, so that with it they would differ.
      const rig = makeRig(device, { network: { decoderNorm: 'layer' } });
      for (let step = 0; step < 3; step++) await rig.step.run(batches, step, 0.001);
      states.push(await stateOf(rig));
      rig.dispose();
    }
    for (const [name, data] of Object.entries(states[0])) {
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const difference = data.reduce((most, value, i) => Math.max(most, Math.abs(value - states[1][name][i])), 0);
      // Adam's quotient magnifies rounding where a gradient is near 0; a wrong mean would differ by half and more.
      expect(difference, name).toBeLessThan(Math.max(2e-3 * largest, 2e-4));
    }
  });
});
