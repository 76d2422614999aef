/** Tier: any adapter (none for choosing). Timing every version of a step's calls, and which one wins. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatTuned } from '../../../cli/tune.ts';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import type { Plan } from '../gpu/kernel.ts';
import { GpuBackend, planKey } from '../ops/gpuBackend.ts';
import type { Program } from '../ops/definition.ts';
import { layerNorm } from '../ops/layerNorm/op.ts';
import { loadTuned, saveTuned } from '../node/tuned.ts';
import { planCalls, CallTrackingBackend } from './stepCalls.ts';
import { pickWinner, tuneCalls, type TuneResult } from './tune.ts';

closeDeviceAfterwards();
const folder = mkdtempSync(join(tmpdir(), 'gmtl-tune-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the winner', () => {
  const pick = (first: number, second: number | null, third: number) =>
    pickWinner([
      { version: 'a', isDefault: false, milliseconds: first },
      { version: 'b', isDefault: false, milliseconds: second },
      { version: 'c', isDefault: true, milliseconds: third },
    ]).version;

  it('is the fastest, but the default unless another is faster by more than the noise', () => {
    expect(pick(1, 2, 3)).toBe('a');
    expect(pick(2, 1, 3)).toBe('b');
    expect(pick(2.95, null, 3)).toBe('c');
    expect(pick(5, 4, 3)).toBe('c');
  });
});

describe('tuning', () => {
  const specs = [[6, 8], [8], [8]].map((shape) => ({ shape, dtype: 'f32' as const }));
  const attributes = { eps: 1e-6 };

  /** Tunes layer normalization with its version `rows` spoilt. */
  async function tuneSpoilt(spoil: (plan: Plan, wrong: Plan) => Plan): Promise<TuneResult> {
    const { forward } = layerNorm;
    const program: Program<{ eps: number }> = {
      ...forward,
      plan(inputs, outputs, given, target, version) {
        const plan = forward.plan(inputs, outputs, given, target, version);
        const wrong = forward.plan(inputs, outputs, { eps: 10 }, target, version);
        return version === 'rows' && plan && wrong ? spoil(plan, wrong) : plan;
      },
    };
    const outputs = forward.infer(specs, attributes);
    const key = planKey(program.name, specs, attributes);
    const call = { program, attributes, inputs: specs, outputs, key, version: undefined };
    return tuneCalls(new CallTrackingBackend(await testDevice()), [call], { seconds: 0.002 });
  }

  it.each([
    ['gives other results', (_: Plan, wrong: Plan) => wrong, /result 0 is .* from the default's/],
    ['writes nothing', (plan: Plan) => ({ ...plan, dispatches: [] }), /result 0 unwritten/],
    [
      'leaves an output out',
      (plan: Plan) => ({
        ...plan,
        scratch: [64],
        dispatches: plan.dispatches.map((each) => ({ ...each, buffers: { ...each.buffers, rstd: 'tmp0' as const } })),
      }),
      /result 2 unwritten/,
    ],
    [
      'does not compile',
      (plan: Plan) => ({
        ...plan,
        dispatches: plan.dispatches.map((each) => ({
          ...each,
          kernel: { ...each.kernel, bindings: each.kernel.bindings.slice(1) },
        })),
      }),
      /did not compile/,
    ],
  ])('never takes a version that %s, and says so', async (_, spoil, why) => {
    const result = await tuneSpoilt(spoil);
    const [{ versions, version }] = result.calls;
    const refused = versions.filter((each) => each.refused !== undefined);
    expect(refused).toEqual([
      { version: 'rows', isDefault: false, milliseconds: null, refused: expect.stringMatching(why) },
    ]);
    expect(version).not.toBe('rows');
    const text = formatTuned(result).replace(/\s+/g, ' ');
    expect(text).toContain('Not used: rows of layerNorm:');
    expect((await testDevice()).failed).toBe(false);
  });

  it('times each version of a call, and a backend given the winners runs them, with the same results', async () => {
    const device = await testDevice();
    const backend = new CallTrackingBackend(device);
    const { forward } = layerNorm;
    const run = async (on: GpuBackend): Promise<number[]> => {
      const specs = [[6, 8], [8], [8]].map((shape) => ({ shape, dtype: 'f32' as const }));
      const inputs = specs.map((spec, index) =>
        on.upload(
          spec,
          Float32Array.from({ length: spec.shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + index)),
          'x',
        ),
      );
      const outputs = forward.infer(specs, { eps: 1e-6 }).map((spec) => on.allocate(spec, 'y'));
      on.execute(forward, inputs, outputs, { eps: 1e-6 });
      const result = [...(await on.download(outputs[0]))];
      for (const value of [...inputs, ...outputs]) value.storage.release();
      return result;
    };
    backend.startCalls();
    const expected = await run(backend);
    const calls = backend.stopCalls();
    const before = device.statistics().liveBytes;
    const result = await tuneCalls(backend, [...calls, ...calls], { seconds: 0.002 });
    expect(device.statistics().liveBytes).toBe(before);
    const [tuned] = result.calls;
    expect(tuned).toMatchObject({ program: 'layerNorm', count: 2, description: '6x8 8 8 eps=0.000001' });
    expect(tuned.versions.map(({ version }) => version)).toEqual(expect.arrayContaining(['rows', 'vec4']));
    expect(tuned.versions.filter(({ isDefault }) => isDefault)).toHaveLength(1);
    expect(tuned.milliseconds).toBeLessThanOrEqual(tuned.defaultMilliseconds);
    expect(formatTuned(result)).toContain('1 calls with a choice');

    // Whichever version won, a file that says `rows` makes a backend run `rows`.
    const { call, milliseconds, defaultMilliseconds } = tuned;
    const winners = [{ call, version: 'rows', milliseconds, defaultMilliseconds }];
    await saveTuned(device.info, winners, { folder, gmtl: '0' });
    const told = new CallTrackingBackend(device, { tuned: loadTuned(device.info, { folder, environment: {} }).tuned });
    told.startCalls();
    const got = await run(told);
    expect(planCalls(told.stopCalls(), device.target)[0].version).toBe('rows');
    got.forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index], 5);
    });
    // A version that cannot run these shapes is ignored.
    const key = planKey('layerNorm', calls[0].inputs, calls[0].attributes);
    expect(await run(new GpuBackend(device, { tuned: new Map([[key, 'no such version']]) }))).toEqual(expected);
  });
});
