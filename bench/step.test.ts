/** Tier: any adapter (none for arithmetic and text). The step benchmark: its workloads, measurements, tables and trace. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../kernels-test/device.ts';
import { writeTinyIdrid } from '../src/retina/data/testsupport.ts';
import { DEFAULT_LIMITS } from '../src/engine/gpu/kernel.ts';
import { layerNorm } from '../src/engine/ops/layerNorm/op.ts';
import { matmul } from '../src/engine/ops/matmul/op.ts';
import { f32 } from '../src/engine/tensor/spec.ts';
import { workOf } from '../src/engine/ops/work.ts';
import { benchStep, type StepBench, type StepProfile } from './step.ts';
import { classifierWorkload } from './stepClassifier.ts';
import { madeUpBatch, presetWorkload, shareRows } from './stepPreset.ts';
import { planCalls, CallTrackingBackend, type StepCall } from '../src/engine/tuning/stepCalls.ts';
import { formatStepSummary, formatStepTable, megabytes, milliseconds } from './stepReport.ts';
import { callTimes, describeCall, stepRows } from '../src/engine/tuning/stepRows.ts';
import { stepTrace, type TraceEvent } from './trace.ts';

closeDeviceAfterwards();
const folder = mkdtempSync(join(tmpdir(), 'gmtl-bench-step-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TARGET = {
  deviceClass: 'software',
  limits: DEFAULT_LIMITS,
  features: new Set<string>(),
  subgroupSize: 0,
} as const;
const CEILINGS = { bytesPerSecond: 1e9, flopsPerSecond: 1e10, secondsPerDispatch: 1e-5 };

function call(rows: number, version?: string): StepCall {
  const inputs = [f32([rows, 8]), f32([8]), f32([8])];
  const attributes = { eps: 1e-6 };
  const outputs = layerNorm.forward.infer(inputs, attributes);
  return { key: `layerNorm ${rows}`, program: layerNorm.forward, attributes, inputs, outputs, version };
}

const time = (milliseconds: number, start = 0) => ({ label: 'kernel', nanoseconds: milliseconds * 1e6, start });

describe('rows', () => {
  it('names the version that a plan is, and keeps one that was told', () => {
    const [chosen, told] = planCalls([call(6), call(6, 'rows')], TARGET);
    expect(chosen).toMatchObject({ dispatches: 1, version: 'vec4' });
    expect(told).toMatchObject({ dispatches: 1, version: 'rows' });
  });

  it('gives each call the median of its dispatches over the profiles', () => {
    const calls = [
      { call: call(6), dispatches: 2, version: null },
      { call: call(7), dispatches: 1, version: null },
    ];
    const profiles = [
      [time(1), time(2), time(5)],
      [time(1), time(9), time(4)],
      [time(1), time(3), time(6)],
    ];
    expect(callTimes(calls, profiles)).toEqual([4, 5]);
    expect(() => callTimes(calls, [[time(1)]])).toThrow('made 3 dispatches, but 1 were timed');
  });

  it('sums by program and version, the longest first, or by call', () => {
    const calls = planCalls([call(6), call(600), call(6), call(6, 'rows')], TARGET);
    const rows = stepRows(calls, [1, 2, 3, 4], CEILINGS);
    expect(rows.map(({ version, count, milliseconds: ms, share }) => [version, count, ms, share])).toEqual([
      ['vec4', 3, 6, 0.6],
      ['rows', 1, 4, 0.4],
    ]);
    const bytesOf = ({ program, inputs, outputs, attributes }: StepCall): number =>
      workOf(program, inputs, outputs, attributes).bytes;
    expect(rows[0].gigabytesPerSecond * 6e6).toBeCloseTo(2 * bytesOf(call(6)) + bytesOf(call(600)), 3);
    const byCall = stepRows(calls, [1, 2, 3, 4], CEILINGS, { byCall: true });
    expect(byCall.map(({ call: text, count, milliseconds: ms }) => [text, count, ms])).toEqual([
      ['6x8 8 8 eps=0.000001', 2, 4],
      ['6x8 8 8 eps=0.000001', 1, 4],
      ['600x8 8 8 eps=0.000001', 1, 2],
    ]);
    // Six rows take a negligible time at every ceiling except that of starting a dispatch.
    expect(byCall[0]).toMatchObject({ bound: 'launch' });
    expect(byCall[0].ofCeiling).toBeCloseTo((2 * 0.01) / 4, 6);
  });

  it('describes a call by its shapes and what is set', () => {
    const attributes = { transposeB: true, transposeA: false, activation: 'gelu' };
    expect(describeCall({ ...call(1), program: matmul.forward, attributes })).toBe(
      '1x8 8 8 transposeB activation="gelu"',
    );
  });
});

describe('made-up batches', () => {
  it('share their rows between the tasks as the preset does', () => {
    expect(shareRows(8, 2, 2)).toEqual([4, 4]);
    expect(shareRows(9, 1, 2)).toEqual([3, 6]);
    expect(shareRows(2, 1, 30)).toEqual([1, 1]);
    expect(shareRows(5, 0, 3)).toEqual([0, 5]);
  });

  it('have masks on segmentation rows and grades on the others', () => {
    const batch = madeUpBatch(1, 2, 32);
    expect([...batch.task]).toEqual([0, 1, 1]);
    expect([...batch.retinopathy]).toEqual([-1, 1, 2]);
    expect(batch.masks.reduce((sum, value) => sum + value, 0)).toBe(8 * 8 * 5);
    expect(batch.image).toHaveLength(3 * 32 * 32 * 3);
  });
});

/** Checks what the format requires; https://ui.perfetto.dev refuses anything else. */
function expectValid(events: readonly TraceEvent[]): void {
  const named = new Set<string>();
  for (const event of events) {
    expect(Number.isInteger(event.pid) && Number.isInteger(event.tid)).toBe(true);
    if (event.ph === 'M') {
      if (event.name === 'thread_name') named.add(`${event.pid} ${event.tid}`);
      continue;
    }
    expect(event.name).not.toBe('');
    expect(event.ts).toBeGreaterThanOrEqual(0);
    expect(event.dur).toBeGreaterThanOrEqual(0);
  }
  for (const { pid, tid, ph } of events) if (ph === 'X') expect(named.has(`${pid} ${tid}`)).toBe(true);
}

describe('trace', () => {
  it('has named tracks, spans from 0 on, and a slice a dispatch with its work', () => {
    const profile: StepProfile = {
      spans: [
        { track: 'phase', name: 'build', start: 1000, end: 1002 },
        { track: 'wait', name: 'result', start: 1003, end: 1005 },
      ],
      calls: planCalls([call(6), call(7)], TARGET),
      dispatches: [time(0.5, 7_000_000), time(0.25, 8_000_000)],
      dispatchesFrom: 1003,
    };
    const { traceEvents } = stepTrace(profile, { adapter: 'a' });
    expectValid(traceEvents);
    const slices = traceEvents.flatMap((event) => (event.ph === 'X' ? event : []));
    expect(slices.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['build', 0, 2000],
      ['result', 3000, 2000],
      ['layerNorm', 3000, 500],
      ['layerNorm', 4000, 250],
    ]);
    expect(slices[3].args).toMatchObject({ kernel: 'kernel', call: '7x8 8 8 eps=0.000001', version: 'vec4' });
    expect(slices[3].args?.bytes).toBeGreaterThanOrEqual(2 * 7 * 8 * 4);
  });
});

function expectSound({ bench, profile }: { bench: StepBench; profile: StepProfile }, steps: number): void {
  expect(bench.samples).toHaveLength(steps);
  expect(bench.imagesPerSecond).toBeCloseTo((1000 * bench.workload.batch) / bench.stepMs, 6);
  expect(bench.cpu.ratio).toBeGreaterThan(0);
  expect(bench.memory.plannedBytes).toBeLessThan(bench.memory.unplannedBytes);
  const { build, record, compile, prepare, run, total } = bench.firstStep;
  expect(build + record + compile + prepare + run).toBeLessThanOrEqual(total + 0.5);
  const text = `${formatStepSummary(bench, { adapter: 'a', kind: 'k', driver: 'd', date: '', tuned: 0 })}\n${formatStepTable(bench, true)}`;
  for (const line of text.split('\n')) expect([...line].length, line).toBeLessThanOrEqual(100);
  const { traceEvents } = stepTrace(profile, {});
  expectValid(traceEvents);
  if (!bench.gpu) return;
  expect(bench.rows.reduce((sum, { dispatches }) => sum + dispatches, 0)).toBe(bench.dispatches);
  expect(bench.rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  expect(bench.gpu.busyMs).toBeCloseTo(
    bench.rows.reduce((sum, row) => sum + row.milliseconds, 0),
    6,
  );
  expect(traceEvents.filter((event) => event.ph === 'X' && event.cat === 'dispatch')).toHaveLength(bench.dispatches);
}

describe('a run', () => {
  it('measures a classifier, and gives all memory back', async () => {
    const device = await testDevice();
    const before = device.statistics().liveBytes;
    const backend = new CallTrackingBackend(device);
    const options = { variant: 'demo', batch: 1, size: 32, classes: 3 } as const;
    const result = await benchStep(backend, () => classifierWorkload(backend, options), { steps: 2, seconds: 0.01 });
    expectSound(result, 2);
    expect(result.profile.calls.map(({ call: { program } }) => program.name)).toContain('depthwiseConv2d.gradWeight');
    expect(result.bench.dataWaitMs).toBe(0);
    expect(device.statistics().liveBytes).toBe(before);
  });

  it('measures a classifier in float16, and gives all memory back', async ({ skip }) => {
    const device = await testDevice();
    if (!device.target.features.has('shader-f16')) skip(`${device.name} has no shader-f16`);
    const before = device.statistics().liveBytes;
    const backend = new CallTrackingBackend(device);
    const options = { variant: 'demo', batch: 1, size: 32, classes: 3, precision: 'f16' } as const;
    const result = await benchStep(backend, () => classifierWorkload(backend, options), { steps: 2, seconds: 0.01 });
    expectSound(result, 2);
    expect(result.bench.workload.name).toContain('float16');
    expect(result.profile.calls.map(({ call: { program } }) => program.name)).toContain('floatCast');
    expect(device.statistics().liveBytes).toBe(before);
  });

  it("measures a preset's own step on batches from the loader, and the wait for them", async () => {
    const device = await testDevice();
    await writeTinyIdrid(join(folder, 'set'));
    const set = [
      'model.trunk={"depths":[1,1,1,1],"dims":[4,6,7,8]}',
      'model.decoderChannels=[6,5,4,4]',
      `data.cacheDir=${JSON.stringify(join(folder, 'cache'))}`,
    ];
    const backend = new CallTrackingBackend(device);
    const workload = () =>
      presetWorkload(backend, { preset: 'demo', batch: 2, size: 32, set, folder: join(folder, 'set') });
    const result = await benchStep(backend, workload, { steps: 2, seconds: 0.01 });
    expectSound(result, 2);
    expect(result.bench.workload).toMatchObject({ batch: 2, size: 32 });
    expect(result.profile.calls.map(({ call: { program } }) => program.name)).toContain('crossEntropy.backward');
    expect(result.profile.spans.filter(({ name }) => name === 'data')).toHaveLength(3);
  });

  it('refuses what cannot be built, in words', async () => {
    const backend = new CallTrackingBackend(await testDevice());
    const options = { variant: 'demo', batch: 1, size: 33, classes: 3 } as const;
    expect(() => classifierWorkload(backend, options)).toThrow('give a multiple of 32');
    expect(() => classifierWorkload(backend, { ...options, size: 32, batch: 0 })).toThrow('from 1 on');
    await expect(presetWorkload(backend, { preset: 'demo', batch: 1 })).rejects.toThrow('from 2 on');
    await expect(presetWorkload(backend, { preset: 'demo', set: ['training.routing=hard'] })).rejects.toThrow(
      'never recorded',
    );
  });
});

describe('text', () => {
  it('gives figures three digits', () => {
    expect([0.123, 1.234, 12.34, 123.4].map(milliseconds)).toEqual(['0.12 ms', '1.23 ms', '12.3 ms', '123 ms']);
    expect([1_230_000, 123_000_000].map(megabytes)).toEqual(['1.2 MB', '123 MB']);
  });
});
