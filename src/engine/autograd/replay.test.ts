/** Tier: any adapter. Computations that are captured once and replayed. */
import { afterAll, describe, expect, it } from 'vitest';
import type { GpuDevice } from '../gpu/device.ts';
import { createNodeDevice } from '../node/createDevice.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import type { Backend } from '../ops/backend.ts';
import { AdamW } from '../optim/adamw.ts';
import { SGD } from '../optim/sgd.ts';
import { GmtlError } from '../errors.ts';
import { Engine } from './engine.ts';
import { RecentlyUsed, Replay } from './replay.ts';
import type { Tensor } from './tensor.ts';

const { device } = await createNodeDevice();
afterAll(() => device.destroy());

const BACKENDS: [string, () => Backend][] = [
  ['the GPU', () => new GpuBackend(device)],
  ['the references', () => new ReferenceBackend()],
];

describe.each(BACKENDS)('Replay on %s', (_, make) => {
  it("reads what a disposed replay's result had, though it is freed while it is recorded", async () => {
    const engine = new Engine(make());
    const before = engine.backend.statistics().liveBuffers;
    const x = engine.tensor([1, 2, 3]).keep();
    const first = await Replay.capture(engine, () => x.mul(2));
    const [seen, again] = [1, 2].map(() => first.result.reshape([3, 1]));
    first.dispose();
    // Eagerly: recorded, not submitted, when the last hold but one goes.
    const more = seen.add(1);
    seen.dispose();
    const second = await Replay.capture(engine, () => {
      const sum = again.add(more);
      again.dispose();
      return sum;
    });
    if (engine.backend instanceof GpuBackend) second.run();
    expect([...(await second.result.data())]).toEqual([5, 9, 13]);
    second.dispose();
    const third = await Replay.capture(engine, () => x.mul(3));
    const last = third.result.reshape([3, 1]);
    third.dispose();
    const sum = last.add(1);
    last.dispose();
    expect([...(await sum.data())]).toEqual([4, 7, 10]);
    for (const made of [sum, more, x]) made.dispose();
    expect(engine.backend.statistics().liveBuffers).toBe(before);
  });

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

  it('frees what its body made, once, and not an input that it returns; then it does not run', async () => {
    const engine = new Engine(make());
    const x = engine.tensor([1, 2]);
    const replay = await Replay.capture(engine, () => ({ x, twice: x.mul(engine.tensor([2, 2])) }));
    replay.dispose();
    replay.dispose();
    expect(replay.result.twice.disposed).toBe(true);
    // Freed twice, its memory would be that of two tensors.
    const others = Array.from({ length: 4 }, (_, k) => engine.tensor([k, k]));
    for (const [k, other] of others.entries()) expect([...(await other.data())]).toEqual([k, k]);
    expect([...(await replay.result.x.data())]).toEqual([1, 2]);
    expect(() => replay.run()).toThrow(/disposed of and cannot run again/);
  });

  it('makes gradients anew at each run and puts them back where the caller took them away', async () => {
    const engine = new Engine(make());
    const before = engine.backend.statistics().liveBuffers;
    const w = engine.tensor([2], [1], { requiresGrad: true });
    const optimizer = new SGD([w], { lr: 0.25 });
    const replay = await Replay.capture(engine, () => w.square().sum().backward(), { gradients: true });
    replay.run();
    expect(await w.grad?.item()).toBe(4);
    for (const left of [1, 0.5]) {
      replay.run();
      optimizer.step();
      optimizer.zeroGrad();
      expect(await w.item()).toBe(left);
    }
    replay.run();
    replay.dispose();
    expect(await w.grad?.item()).toBe(1);
    for (const made of [w, optimizer]) made.dispose();
    expect(engine.backend.statistics().liveBuffers).toBe(before);
  });

  it('refuses results of another engine, which it would not compute again', async () => {
    const [engine, other] = [new Engine(make()), new Engine(new ReferenceBackend())];
    const x = other.tensor([1]);
    const capture = Replay.capture(engine, () => x.mul(2));
    await expect(capture).rejects.toMatchObject({ code: 'autograd/engine', message: /another engine than the one/ });
  });
});

describe('Replay on a device', () => {
  it('leaves no gradients and no steps behind where the capture is refused', async () => {
    const engine = new Engine(new GpuBackend(device));
    const w = engine.tensor([1, 2], [2], { requiresGrad: true });
    const optimizer = new AdamW([w], { lr: 0.1 });
    const loss = () => engine.scope(() => w.square().sum().backward());
    const mine = new Error('mine');
    for (const [end, refusal] of [
      [() => optimizer.step(), { code: 'gpu/capture', message: expect.stringMatching(/call advance\(\) before/) }],
      [() => Promise.reject(mine), { code: 'autograd/scope' }],
      [
        () => {
          throw mine;
        },
        mine,
      ],
    ] as const) {
      let held: Tensor | null = null;
      const body = () => {
        loss();
        held = w.grad;
        return end();
      };
      await expect(Replay.capture(engine, body, { gradients: true })).rejects.toMatchObject(refusal);
      expect([w.grad, optimizer.stepCount]).toEqual([null, 0]);
      await expect((held as unknown as Tensor).data()).rejects.toThrow(GmtlError);
    }
    loss();
    expect([...((await w.grad?.data()) ?? [])]).toEqual([2, 4]);
    optimizer.step();
    expect((await w.data())[0]).toBeCloseTo(0.9 - 0.1 * 0.01, 5);
  });

  it('does not share with others the memory of what it uses and what was freed since', async () => {
    const engine = new Engine(new GpuBackend(device));
    const before = engine.backend.statistics().liveBuffers;
    const [x, w] = [engine.tensor([1, 2]), engine.tensor([3, 4], [2], { requiresGrad: true })];
    const optimizer = new SGD([w], { lr: 0.5, momentum: 0.5 });
    optimizer.advance();
    const first = await Replay.capture(engine, () => x.mul(2));
    const second = await Replay.capture(
      engine,
      () => {
        const loss = w.mul(first.result).sum();
        loss.backward();
        optimizer.update();
        optimizer.zeroGrad();
        return loss;
      },
      { gradients: true },
    );
    expect(await second.result.item()).toBe(22);
    first.dispose();
    for (const used of [x, w, optimizer]) used.dispose();
    const others = Array.from({ length: 12 }, () => engine.tensor([7, 7]));
    second.run();
    // After one step w is [2, 2].
    expect(await second.result.item()).toBe(12);
    for (const other of others) expect([...(await other.data())]).toEqual([7, 7]);
    for (const made of [second, ...others]) made.dispose();
    expect(engine.backend.statistics().liveBuffers).toBe(before);
  });

  it('ends with its engine, whenever that is destroyed', async () => {
    for (const destroyed of ['before a run', 'in the body', 'while it compiles']) {
      const { device: own } = await createNodeDevice();
      const engine = new Engine(new GpuBackend(own));
      const x = engine.tensor([1, 2]);
      const capture = Replay.capture(engine, () => {
        const result = x.mul(2).tanh();
        if (destroyed === 'in the body') own.destroy();
        return result;
      });
      if (destroyed === 'while it compiles') own.destroy();
      const end = expect.objectContaining({ code: 'gpu/destroyed' });
      if (destroyed !== 'before a run') {
        await expect(capture, destroyed).rejects.toThrow(end);
        continue;
      }
      const replay = await capture;
      own.destroy();
      expect(() => replay.run()).toThrow(end);
      replay.dispose();
    }
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
