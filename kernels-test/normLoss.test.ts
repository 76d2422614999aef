/** Tier: no adapter. The float64 references of normalization, softmax and losses against PyTorch's numbers, forward and backward. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import { batchNorm } from '../src/engine/ops/batchNorm/op.ts';
import { bceWithLogits } from '../src/engine/ops/bceWithLogits/op.ts';
import { crossEntropy } from '../src/engine/ops/crossEntropy/op.ts';
import type { Op } from '../src/engine/ops/definition.ts';
import { entropy } from '../src/engine/ops/entropy/op.ts';
import { layerNorm } from '../src/engine/ops/layerNorm/op.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { softDice } from '../src/engine/ops/softDice/op.ts';
import { logSoftmax, softmax } from '../src/engine/ops/softmax/op.ts';

interface Golden {
  readonly op: string;
  readonly name: string;
  readonly attributes: object;
  readonly inputs: readonly { readonly shape: number[]; readonly dtype: 'f32' | 'i32'; readonly data: number[] }[];
  readonly out: readonly number[];
  readonly gradOutput: readonly number[];
  readonly gradients: readonly (readonly number[] | null)[];
  /** Inputs after the call, by index, where they are updated in place. */
  readonly mutated: Readonly<Record<string, readonly number[]>>;
}

const { cases } = JSON.parse(readFileSync(new URL('fixtures/normLoss.json', import.meta.url), 'utf8')) as {
  cases: Golden[];
};
const golden: readonly Op[] = [
  layerNorm,
  batchNorm,
  softmax,
  logSoftmax,
  crossEntropy,
  bceWithLogits,
  softDice,
  entropy,
];

/** The file holds twelve digits; the rest is float64 rounding. */
const ROUNDING = 1e-9;

function expectClose(got: ArrayLike<number>, want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  want.forEach((value, i) => {
    expect(Math.abs(got[i] - value), `element ${i}: ${got[i]}, not ${value}`).toBeLessThan(
      ROUNDING * Math.max(1, Math.abs(value)),
    );
  });
}

const backend = new ReferenceBackend();

describe('as PyTorch', () => {
  it('every op has golden cases', () => {
    expect([...new Set(cases.map(({ op }) => op))].sort()).toEqual(golden.map(({ name }) => name).sort());
  });

  for (const { op: opName, name, attributes, inputs, out, gradOutput, gradients, mutated } of cases) {
    it(`${opName}: ${name}`, async () => {
      const op = golden.find((candidate) => candidate.name === opName);
      if (!op) throw new Error(`no op ${opName}`);
      const engine = new Engine(backend);
      const tensors = inputs.map(({ shape, dtype, data }, index) =>
        engine.tensor(data, shape, { dtype, requiresGrad: gradients[index] !== null }),
      );
      const output = engine.apply(op, tensors, attributes);
      engine.backward(output, engine.tensor(gradOutput, output.shape));
      expectClose(await backend.download(output.value), out);
      for (const [index, want] of gradients.entries()) {
        if (want === null) continue;
        const { grad } = tensors[index];
        if (!grad) throw new Error(`input ${index} got no gradient`);
        expectClose(await backend.download(grad.value), want);
      }
      for (const [index, want] of Object.entries(mutated)) {
        expectClose(await backend.download(tensors[Number(index)].value), want);
      }
    });
  }
});
