/** Tier: any adapter. Computations that are captured once and replayed. */
import { afterAll, describe, expect, it } from 'vitest';
import type { GpuDevice } from '../gpu/device.ts';
import { createNodeDevice } from '../node/createDevice.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import type { Backend } from '../ops/backend.ts';
import { Engine } from './engine.ts';
import { RecentlyUsed, Replay } from './replay.ts';

const { device } = await createNodeDevice();
afterAll(() => device.destroy());

const BACKENDS: [string, () => Backend][] = [
  ['the GPU', () => new GpuBackend(device)],
  ['the references', () => new ReferenceBackend()],
];

describe.each(BACKENDS)('Replay on %s', (_, make) => {
  it('computes from what its inputs hold at each run, and gives its memory back', async () => {
    const engine = new Engine(make());
    const before = engine.backend.statistics().liveBuffers;
    const x = engine.tensor([1, 2, 3, 4], [2, 2]).keep();
    const replay = await Replay.capture(engine, () => {
      // A tensor from host data in the body is written once, while it is recorded.
      const shift = engine.tensor([10, 20], [2]);
      const moved = x.mul(2).add(shift);
      return { moved, total: moved.sum() };
    });
    expect([...(await replay.result.moved.data())]).toEqual([12, 24, 16, 28]);
    x.write(Float32Array.of(0, 0, 1, 1));
    replay.run();
    expect([...(await replay.result.moved.data())]).toEqual([10, 20, 12, 22]);
    expect(await replay.result.total.item()).toBe(64);
    // What others allocate in between must not land in a recorded step's memory.
    const others = Array.from({ length: 8 }, () => engine.scope(() => engine.tensor([7, 7, 7, 7], [2, 2]).mul(3)));
    await engine.backend.synchronize();
    replay.run();
    expect([...(await replay.result.moved.data())]).toEqual([10, 20, 12, 22]);
    for (const tensor of others) expect([...(await tensor.data())]).toEqual([21, 21, 21, 21]);
    replay.dispose();
    x.dispose();
    for (const tensor of others) tensor.dispose();
    expect(engine.backend.statistics().liveBuffers).toBe(before);
  });
});

describe('GpuDevice.capture', () => {
  it('shares memory between temporaries, and gives all of it back', async () => {
    const engine = new Engine(new GpuBackend(device));
    const x = engine.tensor(new Float32Array(1000).fill(1)).keep();
    device.trim();
    const before = device.statistics();
    let out = x;
    const step = device.capture(() => {
      out = engine.noGrad(() => engine.scope(() => Array.from({ length: 12 }).reduce((y: typeof x) => y.mul(1.5), x)));
    });
    expect((await out.data())[0]).toBeCloseTo(1.5 ** 12, 3);
    const { memory } = step;
    expect(memory.unplannedBytes).toBe(12 * 4000);
    expect(memory.plannedBytes).toBe(3 * 4000);
    expect(memory.leastBytes).toBe(3 * 4000);
    step.dispose();
    // A result that is still held outlives its step.
    expect((await out.data())[0]).toBeCloseTo(1.5 ** 12, 3);
    out.dispose();
    device.trim();
    expect(device.statistics().allocatedBytes).toBe(before.allocatedBytes);
    x.dispose();
  });

  it('refuses to write into or read from a step that is being recorded', async () => {
    const engine = new Engine(new GpuBackend(device));
    const x = engine.tensor([1, 2]).keep();
    expect(() => device.capture(() => x.write(Float32Array.of(3, 4)))).toThrow(/host write cannot be captured/);
    let early: Promise<unknown> | null = null;
    const step = device.capture(() => {
      early = x.mul(2).data();
      early.catch(() => undefined);
    });
    await expect(early).rejects.toThrow(/while its step is being recorded/);
    step.dispose();
  });
});

describe('a submit', () => {
  const at = (seconds: number) => createNodeDevice({ secondsPerSubmit: seconds });
  const N = 64;

  /** Six multiplications with their scalings, eager and twice replayed; the submits of the last replay. */
  async function submitted(
    gpu: GpuDevice,
  ): Promise<{ eager: unknown; replayed: unknown; submits: number; eagerSubmits: number }> {
    const engine = new Engine(new GpuBackend(gpu));
    const x = engine
      .tensor(
        Float32Array.from({ length: N * N }, (_, i) => Math.sin(i)),
        [N, N],
      )
      .keep();
    const body = () => Array.from({ length: 6 }).reduce((y: typeof x) => y.mul(x).mul(0.1), x);
    await engine.backend.synchronize();
    let before = gpu.counts.submits;
    const eager = await engine.noGrad(body).data();
    const eagerSubmits = gpu.counts.submits - before;
    const replay = await Replay.capture(engine, body);
    before = gpu.counts.submits;
    replay.run();
    const submits = gpu.counts.submits - before;
    return { eager, replayed: await replay.result.data(), submits, eagerSubmits };
  }

  it('ends where the work that programs state is enough, eagerly and replayed, with the same result bit by bit', async () => {
    const whole = await submitted(device);
    expect(whole).toMatchObject({ submits: 1, eagerSubmits: 1 });
    // Two multiplications with their scalings, each of five matrices of floats in and out, at 25 GB/s.
    const { device: cut } = await at((2.01 * 5 * 4 * N ** 2) / 2.5e10);
    const { device: each } = await at(0);
    try {
      expect(await submitted(cut)).toEqual({ ...whole, submits: 3, eagerSubmits: 3 });
      expect(await submitted(each)).toEqual({ ...whole, submits: 12, eagerSubmits: 12 });
    } finally {
      cut.destroy();
      each.destroy();
    }
  });
});

describe('RecentlyUsed', () => {
  it('drops what was used least recently', () => {
    const dropped: string[] = [];
    const cache = new RecentlyUsed<{ dispose(): void }>(2);
    const put = (key: string): void => cache.set(key, { dispose: () => dropped.push(key) });
    put('a');
    put('b');
    cache.get('a');
    put('c');
    expect(dropped).toEqual(['b']);
    put('a');
    expect(dropped).toEqual(['b', 'a']);
    cache.dispose();
    expect(dropped).toEqual(['b', 'a', 'c', 'a']);
    expect(cache.get('c')).toBeUndefined();
  });
});
