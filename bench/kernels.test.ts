/** Tier: any adapter (none for the arithmetic). The kernel benchmark: what it measures, its rates, and its text. */
import { describe, expect, it } from 'vitest';
import type { Plan, PlanTarget } from '../src/engine/gpu/kernel.ts';
import { DEFAULT_LIMITS } from '../src/engine/gpu/kernel.ts';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';
import { layerNorm } from '../src/engine/ops/layerNorm/op.ts';
import { add } from '../src/engine/ops/binary/op.ts';
import type { Op } from '../src/engine/ops/definition.ts';
import { f32 } from '../src/engine/tensor/spec.ts';
import { benchInput, collectCases } from '../src/engine/tuning/calls.ts';
import { benchKernels, type BenchRow, type KernelBench } from './kernels.ts';
import { workOf } from '../src/engine/ops/work.ts';
import { ratesOf } from '../src/engine/tuning/rates.ts';
import { formatHeader, formatKernelBench, groupByCase, lowShares, slowBackwards } from './report.ts';
import { median, sumRuns } from '../src/engine/tuning/timer.ts';

const TARGET: PlanTarget = {
  deviceClass: 'software',
  limits: DEFAULT_LIMITS,
  features: new Set(),
  subgroupSize: 0,
};

/** The op with its bench cases replaced by one tiny case. */
function tiny(op: Op, shapes: readonly (readonly number[])[]): Op {
  const [{ attributes }] = op.cases;
  return {
    ...op,
    cases: [{ name: 'tiny', inputs: shapes.map((shape) => ({ shape })), attributes, purpose: ['bench'] }],
  };
}

function row(overrides: Partial<BenchRow>, milliseconds: number, share = 0.5): BenchRow {
  return {
    ...{ op: 'conv', testCase: 'a', part: 'forward', count: 1, program: 'conv', version: 'fast', isDefault: true },
    ...{ inputs: [], outputs: [], attributes: {}, dispatches: 1, work: { flops: 10, bytes: 10 }, shared: false },
    measurement: { samples: [milliseconds], median: milliseconds, firstRun: milliseconds },
    rates: { gigaflopsPerSecond: 1, gigabytesPerSecond: 2, bound: 'math', share },
    ...overrides,
  } as BenchRow;
}

describe('arithmetic', () => {
  it('median of odd and even counts, whatever the order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow('no numbers');
  });

  it('adds the dispatches of each run', () => {
    expect(sumRuns([1, 2, 3, 4, 5, 6], 2)).toEqual([3, 7, 11]);
    expect(() => sumRuns([1, 2, 3], 2)).toThrow('whole number of runs');
  });

  it('holds a call against the ceiling that binds it', () => {
    const ceilings = { bytesPerSecond: 1e9, flopsPerSecond: 1e10, secondsPerDispatch: 1e-5 };
    expect(ratesOf({ flops: 1e7, bytes: 4e6 }, 8, 1, ceilings)).toEqual({
      gigaflopsPerSecond: 1.25,
      gigabytesPerSecond: 0.5,
      bound: 'memory',
      share: 0.5,
    });
    expect(ratesOf({ flops: 1e8, bytes: 4e6 }, 40, 1, ceilings)).toMatchObject({ bound: 'math', share: 0.25 });
    expect(ratesOf({ flops: null, bytes: 1e6 }, 1, 1, ceilings)).toMatchObject({ gigaflopsPerSecond: null, share: 1 });
    expect(ratesOf({ flops: 8, bytes: 64 }, 0.04, 2, ceilings)).toMatchObject({ bound: 'launch', share: 0.5 });
  });

  it('counts inputs and outputs once, and what is updated in place twice', () => {
    const { name, kernels, infer, plan, reference } = add.forward;
    const program = { name, kernels, infer, plan, reference };
    expect(workOf(program, [f32([4]), f32([2])], [f32([4])], {})).toEqual({ flops: null, bytes: 40 });
    expect(workOf({ ...program, mutates: [1] }, [f32([4]), f32([2])], [], {})).toEqual({ flops: null, bytes: 32 });
    const cost = () => ({ flops: 7, bytes: 9 });
    expect(workOf({ ...program, cost }, [f32([4])], [f32([4])], {})).toEqual({ flops: 7, bytes: 9 });
  });
});

describe('calls', () => {
  it('lists each distinct call once, with exactly one default version', () => {
    const cases = collectCases([tiny(layerNorm, [[6, 8], [8], [8]])], TARGET, { versions: 'all' });
    expect(cases).toHaveLength(1);
    const [{ calls }] = cases;
    expect(calls[0]).toMatchObject({ part: 'forward', count: 1, inputs: [f32([6, 8]), f32([8]), f32([8])] });
    expect(calls.slice(1).every(({ part }) => part === 'backward')).toBe(true);
    for (const { versions } of calls) expect(versions.filter(({ isDefault }) => isDefault)).toHaveLength(1);
    expect(calls[0].versions.length).toBeGreaterThan(1);
    const [{ calls: defaults }] = collectCases([tiny(layerNorm, [[6, 8], [8], [8]])], TARGET, { versions: 'default' });
    expect(defaults.every(({ versions }) => versions.length === 1 && versions[0].isDefault)).toBe(true);
  });

  it('filters by a part of op / case / program, ignoring case', () => {
    const op = tiny(layerNorm, [[6, 8], [8], [8]]);
    const programs = (filter: string) =>
      collectCases([op], TARGET, { filter, versions: 'all' }).flatMap(({ calls }) =>
        calls.map((call) => call.program.name),
      );
    expect(programs('LAYERNORM.BACKWARD')).toEqual(['layerNorm.backward']);
    expect(programs('tiny / layernorm').length).toBeGreaterThan(1);
    expect(programs('nothing')).toEqual([]);
  });

  it('fills large inputs by repeating a block, small ones as the tests do', () => {
    const labels = benchInput({ shape: [70_000], dtype: 'i32', fill: { integersBelow: 5 } }, 'labels');
    expect(labels).toBeInstanceOf(Int32Array);
    expect(Math.max(...labels.subarray(0, 70_000))).toBe(4);
    expect(Math.min(...labels)).toBe(0);
    expect([...labels.subarray(65_521, 65_531)]).toEqual([...labels.subarray(0, 10)]);
    expect([...benchInput({ shape: [3], fill: { values: [1, 2, 3] } }, 'v')]).toEqual([1, 2, 3]);
  });
});

describe('report', () => {
  const backward = { part: 'backward', program: 'conv.gradWeight' } as const;
  const rows = [
    row({ version: 'simple', isDefault: false }, 9),
    row({}, 2),
    row({ ...backward, version: 'simple', isDefault: false }, 100),
    row({ ...backward, count: 2 }, 11, 0.1),
    row({ testCase: 'b' }, 2),
    row({ ...backward, testCase: 'b' }, 10, 0.1),
    row({ ...backward, testCase: 'c', shared: true }, 10, 0.1),
  ];
  const bench: KernelBench = {
    timer: { kind: 'timestamps', reason: 'queries' },
    ceilings: { bytesPerSecond: 5.41e9, flopsPerSecond: 67.9e9, secondsPerDispatch: 4e-5 },
    rows,
    problems: [{ op: 'conv', testCase: 'd', message: 'too large' }],
  };

  it('flags default backward programs above the bound only, against the default forward', () => {
    expect(slowBackwards(rows)).toEqual([
      { op: 'conv', testCase: 'a', program: 'conv.gradWeight', milliseconds: 11, forward: 2, ratio: 5.5 },
    ]);
    expect(slowBackwards(rows, 4.9)).toHaveLength(2);
  });

  it('adds up a case and keeps cases apart', () => {
    expect(groupByCase(rows).map(({ testCase, forward, backward: total }) => [testCase, forward, total])).toEqual([
      ['a', 2, 22],
      ['b', 2, 10],
      ['c', null, 10],
    ]);
  });

  it('lists low shares by the time they lose, each call once', () => {
    expect(lowShares(rows).map(({ testCase }) => testCase)).toEqual(['a', 'b']);
  });

  it('prints every row under its case, and the summary', () => {
    const text = formatKernelBench(bench);
    const lines = text.split('\n');
    const at = lines.findIndex((line) => line.startsWith('conv / a'));
    expect(lines[at]).toContain('11.0x forward');
    expect(lines[at + 2]).toMatch(/conv\s+\* fast\s+2\.000\s+1\.00\s+2\.00\s+math\s+50 %/);
    expect(lines[at + 4]).toMatch(/conv\.gradWeight x2 {2,}\* fast/);
    expect(lines.indexOf('conv / c')).toBeGreaterThan(at);
    expect(text).toContain('conv / a: conv.gradWeight 5.5x (11.000 ms after 2.000 ms)');
    expect(text).toContain('conv / d: too large');
    const machine = { adapter: 'card', kind: 'hardware', driver: 'driver 1', date: 'today' };
    expect(formatHeader(bench, machine)).toContain('copy 5.41 GB/s, multiply-add 67.9 GFLOP/s, 40 us');
  });

  it('tells calls of one program within a case apart by their shapes and attributes', () => {
    const call = (rowCount: number, attributes: object, version: string) =>
      row({ inputs: [f32([rowCount, 4])], attributes, version, isDefault: version === 'fast' }, 1);
    const calls = [call(2, {}, 'simple'), call(2, {}, 'fast'), call(3, { transposeA: true }, 'fast')];
    const lines = formatKernelBench({ ...bench, rows: calls }).split('\n');
    const at = lines.indexOf('  forward 2x4');
    expect(
      lines
        .slice(at)
        .map((line) => line.trim().split(/\s+/)[0])
        .slice(0, 5),
    ).toEqual(['forward', 'conv', 'conv', 'forward', 'conv']);
    expect(lines[at + 3]).toBe('  forward 3x4 transposeA');
  });

  it('does not claim that nothing is slow where nothing was compared', () => {
    expect(formatKernelBench({ ...bench, rows: [row(backward, 3)] })).toContain('No case has both');
  });
});

describe('a run', () => {
  it('times one case in every version, and says what a filter that fits nothing could have been', async () => {
    const { device } = await createNodeDevice();
    try {
      const op = tiny(layerNorm, [[64, 32], [32], [32]]);
      const before = device.statistics().liveBytes;
      const bench = await benchKernels(device, [op], { seconds: 0.01 });
      expect(bench.problems).toEqual([]);
      const [{ calls }] = collectCases([op], device.target, { versions: 'all' });
      expect(bench.rows).toHaveLength(calls.flatMap(({ versions }) => versions).length);
      for (const { measurement, rates } of bench.rows) {
        expect(measurement.median).toBeGreaterThan(0);
        expect(rates.share).toBeGreaterThan(0);
      }
      expect(bench.ceilings.bytesPerSecond).toBeGreaterThan(1e8);
      expect(bench.ceilings.flopsPerSecond).toBeGreaterThan(1e8);
      expect(bench.ceilings.secondsPerDispatch).toBeGreaterThan(0);
      expect(device.statistics().liveBytes).toBe(before);
      // A driver that refuses one version: the others are timed, and the refused one is named.
      const { forward } = layerNorm;
      const cut = (plan: Plan): Plan => ({
        ...plan,
        dispatches: plan.dispatches.map((each) => ({
          ...each,
          kernel: { ...each.kernel, bindings: each.kernel.bindings.slice(1) },
        })),
      });
      const refused: typeof forward = {
        ...forward,
        plan(inputs, outputs, attributes, target, version) {
          const plan = forward.plan(inputs, outputs, attributes, target, version);
          return plan && version === 'rows' ? cut(plan) : plan;
        },
      };
      const rest = await benchKernels(device, [{ ...op, forward: refused }], { seconds: 0.01, filter: 'layerNorm' });
      expect(rest.problems).toHaveLength(1);
      expect(rest.problems[0].message).toMatch(/layerNorm rows: kernel layerNorm.* did not compile/);
      expect(rest.rows).toHaveLength(bench.rows.length - 1);
      expect(device.failed).toBe(false);
      await expect(benchKernels(device, [op], { filter: 'nothing' })).rejects.toMatchObject({ code: 'bench/filter' });
    } finally {
      device.destroy();
    }
  });
});
