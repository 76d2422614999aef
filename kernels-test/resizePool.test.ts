/** Tier: no adapter. The float64 references of pooling, resizing and max against PyTorch's numbers, forward and backward. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import type { Op } from '../src/engine/ops/definition.ts';
import { avgPool2d, maxPool2d } from '../src/engine/ops/pool/op.ts';
import { max } from '../src/engine/ops/reduce/op.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { upsampleBilinear2d, upsampleNearest2d } from '../src/engine/ops/upsample/op.ts';

interface Golden {
  readonly op: string;
  readonly attributes: object;
  readonly shape: readonly number[];
  readonly x: readonly number[];
  readonly out: readonly number[];
  readonly gradOutput: readonly number[];
  readonly gradX: readonly number[];
}

const { cases } = JSON.parse(readFileSync(new URL('fixtures/resizePool.json', import.meta.url), 'utf8')) as {
  cases: Golden[];
};
const golden: readonly Op[] = [maxPool2d, avgPool2d, upsampleNearest2d, upsampleBilinear2d, max];

/** The file holds nine decimals. */
const ROUNDING = 1e-8;

function largestDifference(got: ArrayLike<number>, want: readonly number[]): number {
  expect(got.length).toBe(want.length);
  return want.reduce((largest, value, i) => Math.max(largest, Math.abs(got[i] - value)), 0);
}

describe('as PyTorch', () => {
  it('every op has golden cases', () => {
    expect([...new Set(cases.map(({ op }) => op))].sort()).toEqual(golden.map(({ name }) => name).sort());
  });

  cases.forEach(({ op: name, attributes, shape, x, out, gradOutput, gradX }) => {
    it(`${name} [${shape}] ${JSON.stringify(attributes)}`, async () => {
      const op = golden.find((candidate) => candidate.name === name);
      if (!op) throw new Error(`no op ${name}`);
      const engine = new Engine(new ReferenceBackend());
      const input = engine.tensor(x, shape, { requiresGrad: true });
      const output = engine.apply(op, [input], attributes);
      engine.backward(output, engine.tensor(gradOutput, output.shape));
      if (!input.grad) throw new Error('no gradient');
      const { backend } = engine;
      expect(largestDifference(await backend.download(output.value), out)).toBeLessThan(ROUNDING);
      expect(largestDifference(await backend.download(input.grad.value), gradX)).toBeLessThan(ROUNDING);
    });
  });
});
