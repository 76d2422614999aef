/** Tier: no adapter. Gradients, scopes and errors of the engine, on the float64 references. */
import { describe, expect, it } from 'vitest';
import { GmtlError } from '../errors.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { Engine } from './engine.ts';
import type { Tensor } from './tensor.ts';

/** An engine on the float64 references, with its count of live buffers. */
function make(): { engine: Engine; live: () => number } {
  const backend = new ReferenceBackend();
  return { engine: new Engine(backend), live: () => backend.statistics().liveBuffers };
}

function leaf(engine: Engine, values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return engine.tensor(Float64Array.from(values), shape, { requiresGrad: true });
}

async function gradientOf(tensor: Tensor): Promise<number[]> {
  if (!tensor.grad) throw new Error('the leaf got no gradient');
  return [...(await tensor.grad.data())];
}

function thrown(body: () => unknown): GmtlError {
  try {
    body();
  } catch (error) {
    if (error instanceof GmtlError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('gradients', () => {
  it('sums over every use of a value (micrograd: b = a + a; c = b + b)', async () => {
    const { engine } = make();
    const a = leaf(engine, [3]);
    const b = a.add(a);
    const c = b.add(b);
    c.backward();
    expect(await c.item()).toBe(12);
    expect(await gradientOf(a)).toEqual([4]);
  });

  it('agrees with a hand-worked expression (micrograd: reuse on two paths)', async () => {
    const { engine } = make();
    const a = leaf(engine, [-2]);
    const b = leaf(engine, [3]);
    const d = a.mul(b);
    const e = a.add(b);
    const f = d.mul(e); // a²b + ab²: df/da = 2ab + b², df/db = a² + 2ab
    f.backward();
    expect(await gradientOf(a)).toEqual([-3]);
    expect(await gradientOf(b)).toEqual([-8]);
  });

  it('reaches through 20,000 nodes', async () => {
    const { engine, live } = make();
    const x = leaf(engine, [1]);
    engine.scope(() => {
      let y: Tensor = x;
      for (let i = 0; i < 20_000; i++) y = y.affine(1, 1);
      y.backward();
    });
    expect(await gradientOf(x)).toEqual([1]);
    expect(live()).toBe(2);
  });

  it('does not double the work where paths double: a diamond of 40 layers', async () => {
    const { engine } = make();
    const x = leaf(engine, [1]);
    let y: Tensor = x;
    for (let i = 0; i < 40; i++) y = y.add(y);
    let executions = 0;
    engine.tapped({ after: () => executions++ }, () => y.backward());
    expect(await gradientOf(x)).toEqual([2 ** 40]);
    expect(executions).toBeLessThan(200);
  });

  it('accumulates over two backward calls', async () => {
    const { engine } = make();
    const x = leaf(engine, [1, 2]);
    x.square().sum().backward();
    x.mul(3).sum().backward();
    expect(await gradientOf(x)).toEqual([5, 7]);
  });

  it('never writes into a gradient that something else reads: x + x, and a residual used three times', async () => {
    const { engine } = make();
    const x = leaf(engine, [1, -2]);
    const y = leaf(engine, [5, 7]);
    // The gradient of an addition is one buffer for both inputs.
    const sum = x.add(y);
    const residual = sum.add(x).add(x);
    residual
      .mul(engine.tensor([10, 100]))
      .sum()
      .backward();
    expect(await gradientOf(x)).toEqual([30, 300]);
    expect(await gradientOf(y)).toEqual([10, 100]);
    expect(x.grad?.value.storage).not.toBe(y.grad?.value.storage);
  });

  it('gives each leaf memory of its own, and leaves a gradient that was passed in alone', async () => {
    const { engine } = make();
    const x = leaf(engine, [1, 2]);
    const y = leaf(engine, [3, 4]);
    const seed = engine.tensor([7, 9]);
    x.add(y).backward(seed);
    x.reshape([1, 2]).reshape([2]).backward(seed);
    expect(await gradientOf(x)).toEqual([14, 18]);
    expect(await gradientOf(y)).toEqual([7, 9]);
    expect([...(await seed.data())]).toEqual([7, 9]);
  });

  it('flows through views, whose memory is shared', async () => {
    const { engine } = make();
    const x = leaf(engine, [1, 2, 3, 4]);
    const matrix = x.reshape([2, 2]);
    matrix
      .mul(matrix)
      .add(x.reshape([2, 2]))
      .reshape([4])
      .sum()
      .backward();
    expect(await gradientOf(x)).toEqual([3, 5, 7, 9]);
  });

  it('stops at detach and under noGrad, also when noGrad throws', async () => {
    const { engine } = make();
    const x = leaf(engine, [3]);
    x.mul(x.detach()).backward();
    expect(await gradientOf(x)).toEqual([3]);
    expect(engine.noGrad(() => x.square()).node).toBeNull();
    expect(() =>
      engine.noGrad(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(engine.gradEnabled).toBe(true);
    expect(x.square().node).not.toBeNull();
  });
});

describe('errors', () => {
  it('refuses a second backward, a root without a graph, a root that is not a scalar, a gradient of another shape', () => {
    const { engine } = make();
    const x = leaf(engine, [1, 2]);
    const y = x.square().sum();
    y.backward();
    expect(thrown(() => y.backward()).message).toContain('already used');
    expect(thrown(() => engine.tensor([1]).backward()).message).toContain('depends on nothing');
    expect(thrown(() => engine.noGrad(() => x.sum()).backward()).message).toContain('noGrad');
    expect(thrown(() => x.square().backward()).message).toContain('[2]');
    expect(thrown(() => x.square().backward(engine.tensor([1, 2, 3]))).message).toContain('[3]');
  });

  it('refuses a graph of which another backward used a part, and frees what it had begun', () => {
    const { engine, live } = make();
    const x = leaf(engine, [1, 2]);
    const before = live();
    engine.scope(() => {
      const shared = x.square();
      const first = shared.sum();
      const second = shared.mul(shared).sum();
      first.backward();
      expect(thrown(() => second.backward()).message).toMatch(/square|unary/);
    });
    expect(live()).toBe(before + 1); // x.grad
  });

  it('names a tensor that was already freed', () => {
    const { engine } = make();
    const x = leaf(engine, [1, 2, 3]);
    x.dispose();
    x.dispose();
    for (const use of [() => x.square(), () => x.add(1), () => x.reshape([3, 1]), () => x.detach()]) {
      const error = thrown(use);
      expect(error.code).toBe('tensor/freed');
      expect(error.message).toContain('[3]');
    }
    expect(thrown(() => x.write(new Float32Array(3))).code).toBe('tensor/freed');
    return expect(x.data()).rejects.toThrow('freed');
  });

  it('refuses inputs of another engine', () => {
    const { engine } = make();
    const other = make().engine;
    expect(thrown(() => engine.tensor([1]).add(other.tensor([1]))).code).toBe('autograd/engine');
  });
});

describe('scopes', () => {
  it('free what was made, keep what is returned, in whatever it is wrapped', async () => {
    const { engine, live } = make();
    const before = live();
    const kept = engine.scope(() => {
      const a = engine.tensor([1, 2]);
      const b = a.square();
      b.mul(3);
      return { list: [b], map: new Map([['sum', b.sum()]]), nothing: null };
    });
    expect(live()).toBe(before + 2);
    expect([...(await kept.list[0].data())]).toEqual([1, 4]);
    expect(await kept.map.get('sum')?.item()).toBe(5);
    kept.list[0].dispose();
    kept.map.get('sum')?.dispose();
    expect(live()).toBe(before);
  });

  it('hand returned tensors to the scope around them', () => {
    const { engine, live } = make();
    engine.scope(() => {
      const inner = engine.scope(() => engine.tensor([1]).square());
      expect(inner.disposed).toBe(false);
    });
    expect(live()).toBe(0);
  });

  it('free everything when the body throws, in the middle of an op too', () => {
    const { engine, live } = make();
    const x = leaf(engine, [1, 2]);
    const before = live();
    for (let i = 0; i < 3; i++) {
      expect(() =>
        engine.scope(() => {
          const y = x.square();
          engine.scope(() => y.exp().add(engine.tensor([1, 2, 3])));
        }),
      ).toThrow(GmtlError);
      expect(() =>
        engine.scope(() => {
          x.square().exp();
          throw new Error('outside');
        }),
      ).toThrow('outside');
    }
    expect(live()).toBe(before);
  });

  it('free what a backward holds when an op fails inside it', () => {
    const { engine, live } = make();
    const x = leaf(engine, [1, 2]);
    const before = live();
    for (const failing of [1, 2, 3, 4, 5, 6]) {
      let executions = 0;
      expect(() =>
        engine.scope(() => {
          const y = x.square().mul(x.exp()).sum();
          engine.tapped(
            {
              before: () => {
                if (++executions === failing) throw new Error('the device went away');
              },
            },
            () => y.backward(),
          );
        }),
      ).toThrow('the device went away');
      expect(live()).toBe(before);
    }
  });

  it('free a graph that was built and dropped without backward', () => {
    const { engine, live } = make();
    const x = leaf(engine, [1, 2]);
    const before = live();
    const loss = engine.scope(() => engine.scope(() => x.square().exp().tanh()).sum());
    // The loss, and what its graph keeps for backward.
    expect(live()).toBeGreaterThan(before + 1);
    loss.dispose();
    expect(live()).toBe(before);
  });

  it('keep the graph of a returned tensor: forward in one scope, backward after it', async () => {
    const { engine, live } = make();
    const x = leaf(engine, [1, 2]);
    const before = live();
    const loss = engine.scope(() => engine.scope(() => x.square().exp()).sum());
    loss.backward();
    loss.dispose();
    expect(live()).toBe(before + 1); // the gradient
    const gradient = await gradientOf(x);
    expect(gradient[0]).toBeCloseTo(2 * Math.E, 5);
  });

  it('keep a graph alive across inner scopes until backward', async () => {
    const { engine, live } = make();
    const x = leaf(engine, [2]);
    engine.scope(() => {
      const y = engine.scope(() => x.square().square());
      y.backward();
    });
    expect(await gradientOf(x)).toEqual([32]);
    expect(live()).toBe(2);
  });

  it('leave nothing behind over 200 training-like steps', () => {
    const { engine, live } = make();
    const x = leaf(engine, [1, 2]);
    const counts = new Set<number>();
    for (let i = 0; i < 200; i++) {
      engine.scope(() => {
        x.mul(x).tanh().sum().backward();
      });
      x.grad?.dispose();
      x.grad = null;
      counts.add(live());
    }
    expect([...counts]).toEqual([1]);
  });

  it('refuse a promise and free what its body made', async () => {
    const { engine, live } = make();
    const error = thrown(() => engine.scope(async () => engine.tensor([1])));
    expect(error.code).toBe('autograd/scope');
    await Promise.resolve();
    expect(live()).toBe(0);
  });

  it('let go of a kept tensor', () => {
    const { engine, live } = make();
    let kept: Tensor | undefined;
    engine.scope(() => {
      kept = engine.tensor([1]).keep();
    });
    expect(kept?.disposed).toBe(false);
    kept?.dispose();
    expect(live()).toBe(0);
  });
});
