/** Tier: no adapter. Everything runs on the float64 references. */
import { afterEach, describe, expect, it } from 'vitest';
import { GmtlError } from '../errors.ts';
import * as F from '../nn/functional.ts';
import { RandomSource } from '../nn/randomSource.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { recompute } from './recompute.ts';
import { setEngine } from './currentEngine.ts';
import { Engine } from './engine.ts';
import type { Tensor } from './tensor.ts';

afterEach(() => {
  setEngine(null);
});

type Wrap = (body: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]) => Tensor;
const plain: Wrap = (body, inputs) => body(...inputs);

function make(): { engine: Engine; live: () => number; leaf: (seed: number, ...shape: number[]) => Tensor } {
  const backend = new ReferenceBackend();
  const engine = new Engine(backend);
  setEngine(engine);
  const leaf = (seed: number, ...shape: number[]): Tensor => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const data = Float64Array.from({ length: size }, (_, i) => Math.sin(seed + 1.7 * i));
    return engine.tensor(data, shape, { requiresGrad: true });
  };
  return { engine, live: () => backend.statistics().liveBuffers, leaf };
}

/** Two layers with dropout, the first one's weight used outside as well. */
function network(wrap: Wrap): { run: (step: number) => Tensor; leaves: Tensor[]; live: () => number; engine: Engine } {
  const { engine, live, leaf } = make();
  const [x, first, second] = [leaf(1, 3, 4), leaf(2, 4, 4), leaf(3, 4, 4)];
  const random = new RandomSource(7);
  const drop = random.dropout(0.4);
  const layer = (input: Tensor, weight: Tensor): Tensor => drop(F.linear(input, weight).gelu());
  const run = (step: number): Tensor => {
    random.setStep(step);
    return engine.scope(() => {
      const hidden = wrap(
        (a) =>
          layer(
            wrap((b) => layer(b, first), [a]),
            second,
          ),
        [x],
      );
      return hidden.add(x.matmul(first)).square().sum();
    });
  };
  return { run, leaves: [x, first, second], live, engine };
}

async function gradientsOf(leaves: readonly Tensor[]): Promise<number[][]> {
  return Promise.all(leaves.map(async ({ grad }) => (grad ? [...(await grad.data())] : [])));
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

describe('recompute', () => {
  it('gives the same loss and gradients, those of weights it only closes over among them, nested and with dropout', async () => {
    const results: unknown[] = [];
    for (const wrap of [plain, recompute]) {
      const { run, leaves } = network(wrap);
      const losses: number[] = [];
      for (const step of [0, 1]) {
        const loss = run(step);
        losses.push(await loss.item());
        loss.backward();
      }
      results.push({ losses, gradients: await gradientsOf(leaves) });
      expect(losses[0]).not.toBe(losses[1]);
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('keeps only the inputs until backward, and nothing after it', () => {
    const kept: number[] = [];
    for (const wrap of [plain, recompute]) {
      const { run, leaves, live } = network(wrap);
      const before = live();
      const loss = run(0);
      kept.push(live() - before);
      loss.backward();
      loss.dispose();
      expect(live()).toBe(before + leaves.length);
    }
    expect(kept[1]).toBeLessThan(kept[0]);
  });

  it('frees what it kept where there is no backward, or no graph', () => {
    const { run, live, engine } = network(recompute);
    const before = live();
    run(0).dispose();
    expect(live()).toBe(before);
    engine.noGrad(() => run(0)).dispose();
    expect(live()).toBe(before);
  });

  it('can be gone through twice with retainGraph, even from within noGrad', async () => {
    const results: number[][][] = [];
    for (const wrap of [plain, recompute]) {
      const { run, leaves, engine, live } = network(wrap);
      const before = live();
      const loss = run(0);
      engine.noGrad(() => loss.backward(undefined, { retainGraph: true }));
      loss.backward();
      results.push(await gradientsOf(leaves));
      loss.dispose();
      expect(live()).toBe(before + leaves.length);
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('asks for no gradient where nothing in it needs one', () => {
    const { leaf, live } = make();
    const x = leaf(1, 2);
    x.requiresGrad = false;
    const before = live();
    const y = recompute((a) => a.square(), [x]);
    expect(y.requiresGrad).toBe(false);
    y.dispose();
    expect(live()).toBe(before);
  });

  it('says so when the second run does something else', () => {
    const { leaf } = make();
    const x = leaf(1, 2);
    let runs = 0;
    const y = recompute((a) => (runs++ === 0 ? a.square() : a.exp()).sum(), [x]);
    expect(thrown(() => y.backward())).toMatchObject({
      code: 'autograd/recompute',
      message: /exp where op 0 was square/,
    });
  });

  it('refuses what changes a tensor in place: it would happen twice', () => {
    const { engine, leaf } = make();
    const [x, weight, bias] = [leaf(1, 4, 2), leaf(2, 2), leaf(3, 2)];
    const [mean, variance] = [engine.tensor([0, 0]), engine.tensor([1, 1])];
    const attributes = { training: true, momentum: 0.1, eps: 1e-5 };
    const body = (a: Tensor): Tensor => F.batchNorm(a, weight, bias, { mean, variance }, attributes);
    expect(thrown(() => recompute(body, [x]))).toMatchObject({
      code: 'autograd/recompute',
      message: /batchNorm changes/,
    });
    // Frozen statistics are read alone.
    const version = mean.value.storage.version;
    attributes.training = false;
    recompute(body, [x]).sum().backward();
    expect(x.grad?.shape).toEqual([4, 2]);
    expect(mean.value.storage.version).toBe(version);
  });
});
