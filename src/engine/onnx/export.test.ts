/** Tier: no adapter, slow. Every op's ONNX form in ONNX Runtime against the op's float64 reference, and how shapes follow open sizes. */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../autograd/currentEngine.ts';
import { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { difference } from '../check/difference.ts';

import type { GmtlError } from '../errors.ts';
import * as F from '../nn/functional.ts';
import { Sequential } from '../nn/container.ts';
import { Conv2d } from '../nn/convolution.ts';
import { Linear } from '../nn/linear.ts';
import { BatchNorm2d, LayerNorm } from '../nn/normalization.ts';
import { Module } from '../nn/module.ts';
import { RandomSource } from '../nn/randomSource.ts';
import { fillInput } from '../ops/caseInputs.ts';
import type { Case, Op } from '../ops/definition.ts';
import { ops } from '../ops/index.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import type { TypedArray } from '../tensor/spec.ts';
import { exportOnnx, ONNX_FORMS, type OnnxInput } from './export.ts';
import { type Feeds, runOnnx } from './testsupport.ts';

let engine: Engine;
const OPEN = { batch: [2, 3], height: [64, 160], width: [64, 448] } as const;

beforeEach(() => {
  engine = new Engine(new ReferenceBackend(), { seed: 1 });
  setEngine(engine);
});
afterEach(() => {
  setEngine(null);
});

/** A module without parameters. */
class Empty extends Module {}

/** Ops of the registry that no forward pass of a trained network runs. */
const TRAINING_ALONE =
  /^(accumulate|dropout|dropPath|crossEntropy|corn|bceWithLogits|softDice|maskLoss|entropy|assign|floatCast|averages|swap|.*Step|.*ToSlots|dotTotals|axpy|clipGate|guardedScale|adamw.*|sgd.*)(\.\d+)?$/;

/** float32 arithmetic, naive sums of thousands of terms, and ONNX Runtime's own approximations of exp, tanh and erf, against float64. */
const TOLERANCE = 1e-5;
const LOOSE: Readonly<Record<string, number>> = {
  // ONNX Runtime takes the variance as the mean of squares less the square of the mean, which cancels here.
  'layerNorm: a mean far from zero': 1e-4,
  // It adds 81,980 numbers in float32 one after another, and their mean is nearly 0 (measured 2.8e-4).
  'mean: all, for several workgroups': 1e-3,
};

function typed(data: Float64Array, dtype: string): TypedArray {
  if (dtype === 'u32') return Uint32Array.from(data);
  return dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data);
}

/** Runs a case in ONNX Runtime with its inputs given to the model, or (`held`) all but the first within it. */
async function check(op: Op, testCase: Case, held: boolean, opset: 17 | 20): Promise<void> {
  const values = testCase.inputs.map((input, index) => {
    const dtype = input.dtype ?? 'f32';
    const data = typed(fillInput(input, `${op.name}/${testCase.name}/${index}`), dtype);
    return { shape: input.shape, dtype: dtype as NonNullable<OnnxInput['dtype']>, data };
  });
  const given = held ? values.slice(0, 1) : values;
  const feeds: Feeds = Object.fromEntries(given.map((value, index) => [`in${index}`, value]));
  const constants = values
    .slice(given.length)
    .map(({ data, shape, dtype }) => engine.tensor(data, shape, { dtype }).keep());
  const apply = (tensors: readonly Tensor[]): Tensor =>
    op.name === 'reshape'
      ? tensors[0].reshape((testCase.attributes as { shape: number[] }).shape)
      : engine.apply(op, tensors, testCase.attributes);
  const model = await exportOnnx(new Empty(), {
    inputs: given.map(({ shape, dtype }, index) => ({ name: `in${index}`, shape, dtype })),
    forward: (...tensors) => apply([...tensors, ...constants]),
    opset,
  });
  const [{ output }] = await runOnnx(model, feeds);
  const expected = apply(values.map(({ data, shape, dtype }) => engine.tensor(data, shape, { dtype })));
  expect(output.shape).toEqual(expected.shape);
  const { relativeL2 } = difference(output.data, await expected.data());
  expect(relativeL2, `${op.name}: ${testCase.name}`).toBeLessThan(LOOSE[`${op.name}: ${testCase.name}`] ?? TOLERANCE);
}

describe('the form of', () => {
  for (const op of ops) {
    if (!Object.hasOwn(ONNX_FORMS, op.name)) {
      it(`${op.name} is left out, as it serves training alone`, () => expect(op.name).toMatch(TRAINING_ALONE));
      continue;
    }
    it(`${op.name} computes what its reference does`, async () => {
      let checked = 0;
      for (const testCase of op.cases) {
        const { training, dtype } = testCase.attributes as { training?: boolean; dtype?: string };
        if (!testCase.purpose.includes('test') || training || dtype === 'f16') continue;
        for (const [held, opset] of [
          [false, 17],
          [testCase.inputs.length > 1, 20],
        ] as const) {
          await check(op, testCase, held, opset);
          checked++;
        }
      }
      expect(checked).toBeGreaterThan(0);
    });
  }
});

/** A bit of everything: images, views, a skip, resizing to what the input has, pooled numbers. */
class Small extends Module {
  readonly stem = new Conv2d(3, 4, 3, { stride: 2, padding: 1 });
  readonly norm = new BatchNorm2d(4);
  readonly body = new Sequential(new LayerNorm(4), new Linear(4, 8, { activation: 'gelu' }), new Linear(8, 4));
  readonly head = new Linear(4, 2);

  forward(x: Tensor): { maps: Tensor; scores: Tensor; flat: Tensor } {
    const [rows, height, width] = x.shape;
    const stem = this.norm.forward(this.stem.forward(x)).relu();
    const deep = this.body.forward(F.maxPool2d(stem, { kernel: 2 })).add(F.avgPool2d(stem, { kernel: 2 }));
    const large = F.upsampleBilinear2d(F.upsampleNearest2d(deep, [height / 2, width / 2]).mul(stem), [height, width]);
    const scores = F.softmax(this.head.forward(deep.mean([1, 2])));
    const weighted = large.mul(scores.slice(1, 0, 1).reshape([rows, 1, 1, 1]));
    return {
      maps: weighted.permute([0, 3, 1, 2]),
      scores,
      flat: weighted.slice(3, 0, 1).reshape([rows, height * width]),
    };
  }
}

const images = (shape: readonly number[]): Float32Array =>
  Float32Array.from(fillInput({ shape, fill: 'normal' }, `images ${shape}`));

describe("a module of one's own", () => {
  const options = {
    inputs: [{ name: 'image', shape: ['batch', 'height', 'width', 3] }],
    sizes: OPEN,
    metadata: { license: 'MIT' },
  };

  it('runs at any size once exported at open ones, with the numbers of its forward pass', async () => {
    const module = new Small();
    for (const opset of [17, 20] as const) {
      const model = await exportOnnx(module, { ...options, opset });
      for (const shape of [
        [1, 32, 48, 3],
        [4, 16, 8, 3],
      ]) {
        const data = images(shape);
        const [got] = await runOnnx(model, { image: { shape, data } });
        const want = module.eval().forward(engine.tensor(data, shape));
        for (const name of ['maps', 'scores', 'flat'] as const) {
          expect(got[name].shape).toEqual(want[name].shape);
          expect(difference(got[name].data, await want[name].data()).relativeL2).toBeLessThan(2e-6);
        }
      }
    }
    expect(module.training).toBe(false);
  });

  it('may compare, choose, cut off and find the largest, of any count of images', async () => {
    const forward = (x: Tensor): Record<string, Tensor> => ({
      cut: x.clamp(-0.5, 0.25),
      least: x.mean([1, 2]).argmin(1),
      largest: x.argmax(-1),
      chosen: F.where(x.lt(0), x.mul(0.1), x.ge(1).add(x.eq(0.5))),
      larger: F.interpolate(x, { scaleFactor: 1.5, mode: 'bilinear' }),
      wider: F.interpolate(x, { scaleFactor: 1.15, mode: 'bilinear' }),
    });
    const inputs = [{ name: 'x', shape: ['batch', 5, 7, 3] }];
    const model = await exportOnnx(new Empty(), { inputs, sizes: { batch: [2, 3] }, forward });
    for (const shape of [
      [1, 5, 7, 3],
      [4, 5, 7, 3],
    ]) {
      const data = images(shape);
      const [got] = await runOnnx(model, { x: { shape, data } });
      for (const [name, want] of Object.entries(forward(engine.tensor(data, shape)))) {
        expect(got[name].shape, name).toEqual(want.shape);
        expect(difference(got[name].data, await want.data()).relativeL2, name).toBeLessThan(2e-6);
      }
    }
  });

  it("keeps its parameters under their names in PyTorch's layouts", async () => {
    const model = fromBinary(ModelProtoSchema, await exportOnnx(new Small(), options));
    const shapes = new Map(model.graph?.initializer.map(({ name, dims }) => [name, dims.map(Number)]));
    expect(shapes.get('stem.weight')).toEqual([4, 3, 3, 3]);
    expect(shapes.get('body.1.weight')).toEqual([8, 4]);
    expect(shapes.get('norm.running_var')).toEqual([4]);
    expect(model.metadataProps.map(({ key, value }) => [key, value])).toEqual([['license', 'MIT']]);
    const [input] = model.graph?.input ?? [];
    const dims = input.type?.value.case === 'tensorType' ? (input.type.value.value.shape?.dim ?? []) : [];
    expect(dims.map(({ value }) => value.value)).toEqual(['batch', 'height', 'width', 3n]);
  });

  it('is refused with the name of what has no form, or of what follows an open size', async () => {
    const random = new RandomSource(1);
    const drop = random.dropout(0.5);
    random.setStep(0);
    const refusal = (forward: (x: Tensor) => Tensor): Promise<string> =>
      exportOnnx(new Empty(), { ...options, forward }).then(
        () => 'exported',
        ({ code, message }: GmtlError) => `${code}: ${message}`,
      );
    expect(await refusal((x) => drop(x))).toMatch(/^onnx\/op: no ONNX form: dropout/);
    expect(await refusal((x) => x.mul(1 / x.shape[1]))).toMatch(/^onnx\/dynamic: affine: its attributes follow/);
    expect(await refusal((x) => (x.shape[0] === 2 ? x.relu() : x.tanh()))).toMatch(/^onnx\/dynamic: .*another course/);
    expect(await refusal((x) => x.cast('f16').relu())).toMatch(/^onnx\/op: no ONNX form: floatCast/);
    expect(await refusal((x) => F.upsampleNearest2d(x, [3 * x.shape[1], x.shape[2]]))).toMatch(/^onnx\/dynamic/);
    expect(await refusal((x) => x.add(engine.tensor(new Float32Array(x.shape[2] * 3), [x.shape[2], 3])))).toMatch(
      /^onnx\/dynamic: .*constant/,
    );
    const alike = { ...options, sizes: { batch: [2, 3], height: [64, 96], width: [64, 448] } as const };
    await expect(exportOnnx(new Small(), alike)).rejects.toMatchObject({ code: 'onnx/dynamic' });
  });
});
