/** Tier: no adapter. The float64 references have PyTorch's way with NaN and infinity (fixtures/make_non_finite.py), values and gradients. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { setEngine } from '../src/engine/autograd/currentEngine.ts';
import { Engine } from '../src/engine/autograd/engine.ts';
import type { Tensor } from '../src/engine/autograd/tensor.ts';
import * as F from '../src/engine/nn/functional.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';

interface GoldenCase {
  readonly name: string;
  readonly input: readonly string[];
  readonly shape: readonly number[];
  readonly output: readonly string[];
  readonly gradient: readonly string[];
}

const cases: readonly GoldenCase[] = JSON.parse(
  readFileSync(new URL('fixtures/nonFinite.json', import.meta.url), 'utf8'),
);
const engine = new Engine(new ReferenceBackend());
setEngine(engine);
afterAll(() => setEngine(null));

const ones = engine.tensor(new Float64Array(4).fill(1), [4]);
const zeros = engine.tensor(new Float64Array(4), [4]);

const functions: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  relu: (x) => x.relu(),
  sigmoid: (x) => x.sigmoid(),
  tanh: (x) => x.tanh(),
  exp: (x) => x.exp(),
  log: (x) => x.log(),
  sqrt: (x) => x.sqrt(),
  abs: (x) => F.abs(x),
  gelu: (x) => x.gelu(),
  silu: (x) => x.silu(),
  softplus: (x) => F.softplus(x),
  softmax: (x) => F.softmax(x),
  logSoftmax: (x) => F.logSoftmax(x),
  max: (x) => x.max([-1]),
  sum: (x) => x.sum([-1]),
  mean: (x) => x.mean([-1]),
  layerNorm: (x) => F.layerNorm(x, ones, zeros),
  crossEntropy: (x) => F.crossEntropy(x, engine.tensor(Int32Array.of(1, 1, 1, 1)), { reduction: 'none' }),
  maxPool2d: (x) => F.maxPool2d(x.reshape([4, 2, 2, 1]), { kernel: 2 }),
  bceWithLogits: (x) => F.bceWithLogits(x, engine.tensor(new Float64Array(16).fill(1), [4, 4])),
};

/** Gradients at NaN that differ, and why: the first element of the input. */
const OTHER_GRADIENT_AT_NAN: Readonly<Record<string, { readonly ours: number; readonly reason: string }>> = {
  abs: { ours: Number.NaN, reason: 'the sign of NaN is NaN; PyTorch 1.13 takes 0' },
};

const numbers = (words: readonly string[]): number[] =>
  words.map((word) => Number(word.replace(/inf/, 'Infinity').replace(/nan/, 'NaN')));

function close(got: ArrayLike<number>, want: readonly number[], what: string): void {
  expect(got.length, what).toBe(want.length);
  want.forEach((value, i) => {
    const same = Number.isFinite(value)
      ? Math.abs(got[i] - value) <= 1e-6 * Math.max(1, Math.abs(value))
      : Object.is(got[i], value);
    expect(same, `${what}[${i}]: ${got[i]} for ${value}`).toBe(true);
  });
}

describe('NaN and infinity are treated as by PyTorch', () => {
  it('in every case of the goldens', () => {
    expect(cases.map(({ name }) => name)).toEqual(Object.keys(functions));
  });

  it.each(cases)('$name', async ({ name, input, shape, output, gradient }) => {
    const x = engine.tensor(Float64Array.from(numbers(input)), shape, { requiresGrad: true });
    const y = functions[name](x);
    close(await engine.backend.download(y.value), numbers(output), 'output');
    y.sum().backward();
    const other = OTHER_GRADIENT_AT_NAN[name];
    const want = numbers(gradient);
    close(await engine.backend.download((x.grad as Tensor).value), other ? want.with(0, other.ours) : want, 'gradient');
  });
});
