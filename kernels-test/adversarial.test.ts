/**
 * Tier: any adapter. Numbers that hurt: no op is more than three times as far from the truth as PyTorch's float32 is, on the cases of
 * fixtures/make_adversarial.py. The truth is the float64 reference, which is itself held against PyTorch's float64.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Engine } from '../src/engine/autograd/engine.ts';
import type { Backend } from '../src/engine/ops/backend.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ops } from '../src/engine/ops/index.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { sizeOf } from '../src/engine/tensor/spec.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

const fillSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('uniform'), low: z.number(), high: z.number() }),
  z.object({ kind: z.literal('normal'), mean: z.number(), std: z.number() }),
  z.object({ kind: z.literal('constant'), value: z.number() }),
  z.object({ kind: z.literal('outlier'), value: z.number() }),
  z.object({ kind: z.literal('below'), bound: z.number() }),
  z.object({ kind: z.literal('binary') }),
]);
const casesSchema = z.array(
  z.object({
    op: z.string(),
    shapes: z.array(z.array(z.number())),
    fills: z.array(fillSchema),
    attributes: z.record(z.string(), z.unknown()),
    elementwise: z.boolean(),
    grad: z.boolean(),
    results: z.array(
      z.object({ l2: z.number(), worst: z.number(), truth: z.array(z.tuple([z.number(), z.number()])) }),
    ),
  }),
);
type AdversarialCase = z.infer<typeof casesSchema>[number];

const cases = casesSchema.parse(
  JSON.parse(readFileSync(new URL('fixtures/adversarial.json', import.meta.url), 'utf8')),
);
const byName = new Map(ops.map((op) => [op.name, op]));

/** How many times PyTorch's error is allowed. */
const FACTOR = 3;
/** One unit in the last place: where PyTorch happens to be exact, this much is. */
const UNIT = 2 ** -23;

/** The hash of make_adversarial.py, as a number in [0, 1). */
function uniformOf(index: number, seed: number, salt: number): number {
  let x = (Math.imul(index, 0x9e37_79b1) + Math.imul(seed * 8 + salt, 0x85eb_ca77)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb_352d) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x846c_a68b) >>> 0;
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

function fill(spec: z.infer<typeof fillSchema>, count: number, seed: number, row: number): Float64Array {
  const at = (i: number): number => {
    const word = (salt: number): number => uniformOf(i, seed, salt);
    switch (spec.kind) {
      case 'uniform':
        return spec.low + (spec.high - spec.low) * word(0);
      case 'normal':
        return spec.mean + spec.std * ((word(0) + word(1) + word(2) + word(3) - 2) * 1.7320508075688772);
      case 'constant':
        return spec.value;
      case 'outlier':
        return i % row === 0 ? spec.value : (word(0) - 0.5) * 2;
      case 'below':
        return Math.floor(word(0) * spec.bound);
      case 'binary':
        return word(0) < 0.5 ? 1 : 0;
      default:
        return spec satisfies never;
    }
  };
  return Float64Array.from({ length: count }, (_, i) => Math.fround(at(i)));
}

/** The output and, where the case has one, the gradient of the first input. */
async function run(testCase: AdversarialCase, index: number, backend: Backend): Promise<Float64Array[]> {
  const op = byName.get(testCase.op);
  if (!op) throw new Error(`there is no op ${testCase.op}`);
  const engine = new Engine(backend);
  const inputs = testCase.shapes.map((shape, k) => {
    const spec = testCase.fills[k];
    const data = fill(spec, sizeOf(shape), index * 8 + k, shape[shape.length - 1]);
    const dtype = spec.kind === 'below' ? 'i32' : 'f32';
    return engine.tensor(data, shape, { dtype, requiresGrad: testCase.grad && k === 0 });
  });
  const [output, ...rest] = engine.applyAll(op, inputs, testCase.attributes);
  const found = [Float64Array.from(await backend.download(output.value))];
  if (testCase.grad) {
    const cotangent = fill({ kind: 'normal', mean: 0, std: 1 }, output.size, 9999, 1);
    engine.backward(output, engine.tensor(cotangent, output.shape));
    const { grad } = inputs[0];
    if (grad) found.push(Float64Array.from(await backend.download(grad.value)));
  }
  for (const tensor of [...inputs, output, ...rest]) tensor.dispose();
  return found;
}

function errors(got: Float64Array, want: Float64Array, elementwise: boolean): { l2: number; worst: number } {
  let [squares, norm, worst, largest] = [0, 0, 0, 1e-30];
  for (const value of want) largest = Math.max(largest, Math.abs(value));
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i] - want[i]);
    squares += error * error;
    norm += want[i] * want[i];
    if (!elementwise) worst = Math.max(worst, error / largest);
    else if (Math.abs(want[i]) > 1e-30) worst = Math.max(worst, error / Math.abs(want[i]));
  }
  return { l2: Math.sqrt(squares) / Math.max(Math.sqrt(norm), 1e-20), worst };
}

closeDeviceAfterwards();
let backend: GpuBackend;
beforeAll(async () => {
  backend = new GpuBackend(await testDevice());
});

describe('numbers that hurt', () => {
  it('are at least 300 cases', () => expect(cases.length).toBeGreaterThanOrEqual(300));

  it.each([...new Set(cases.map(({ op }) => op))])(
    `%s is at most ${FACTOR} times as far off as PyTorch`,
    async (name) => {
      const problems: string[] = [];
      for (const [index, testCase] of cases.entries()) {
        if (testCase.op !== name) continue;
        const label = `${JSON.stringify(testCase.fills[0])} ${JSON.stringify(testCase.shapes[0])}`;
        const want = await run(testCase, index, new ReferenceBackend());
        const got = await run(testCase, index, backend);
        testCase.results.forEach((torch, k) => {
          const what = k === 0 ? 'output' : 'gradient';
          for (const [place, truth] of torch.truth) {
            const off = Math.abs(want[k][place] - truth) / Math.max(Math.abs(truth), 1e-12);
            if (off > 1e-6)
              problems.push(`${label} ${what}: the reference has ${want[k][place]} where PyTorch has ${truth}`);
          }
          const found = errors(got[k], want[k], testCase.elementwise);
          // A sum near zero has no relative error of its own: what counts is the size of what was summed, about 1, and 2 of products.
          const root = Math.sqrt(sizeOf(testCase.shapes[0]));
          const summed = { sum: root, mean: 1e-3, dot: 2 * root }[name] ?? 0;
          const near = (UNIT / Math.max(Math.abs(want[0][0]), 1e-30)) * summed;
          for (const measure of ['l2', 'worst'] as const) {
            const bound = FACTOR * Math.max(torch[measure], UNIT, near);
            if (!(found[measure] <= bound))
              problems.push(
                `${label} ${what}: ${measure} ${found[measure].toExponential(2)}, PyTorch ${torch[measure].toExponential(2)}`,
              );
          }
        });
      }
      expect(problems).toEqual([]);
    },
  );
});
