/** Mistakes are refused with an error that says what to do, and never end the engine. Tier: any adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../gpu/kernel.ts';
import { decodeSafetensors, encodeSafetensors } from '../io/safetensors.ts';
import { Sequential } from '../nn/container.ts';
import { Conv2d } from '../nn/convolution.ts';
import { BatchNorm2d } from '../nn/normalization.ts';
import { Linear } from '../nn/linear.ts';
import { Module } from '../nn/module.ts';
import { createNodeDevice } from '../node/createDevice.ts';
import * as F from '../nn/functional.ts';
import { zeros } from '../nn/init.ts';
import { DataLoader } from '../nn/dataLoader.ts';
import { Parameter } from '../nn/parameter.ts';
import { GmtlError } from '../errors.ts';
import { runProgram } from '../ops/backend.ts';
import { DryBackend } from '../ops/tapBackend.ts';
import { formatShape } from '../tensor/spec.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { ops } from '../ops/index.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { AdamW, clipGradNorm, SGD } from '../optim/index.ts';
import { setEngine } from './currentEngine.ts';
import { Engine } from './engine.ts';
import type { Tensor } from './tensor.ts';

let engine: Engine;
let close: () => void;
beforeAll(async () => {
  const { device } = await createNodeDevice();
  close = () => device.destroy();
  engine = new Engine(new GpuBackend(device));
});
afterAll(() => close());

const works = async (): Promise<void> => expect(await engine.tensor([1]).add(1).item()).toBe(2);
const leaf = (values: number[], on = engine): Tensor => on.tensor(values, [values.length], { requiresGrad: true });
/** A call as JavaScript would make it, past the types. */
// biome-ignore lint/complexity/noBannedTypes: any function is meant
const untyped = (call: Function, ...given: unknown[]): unknown => call(...given);

describe('a mistake is a typed error, and the engine goes on', () => {
  it('arrays that hold themselves end no process, and memory that threads share is taken', async () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect(() => engine.tensor(cyclic as never)).toThrow(
      /tensor: the arrays are nested more than 64 deep, or hold themselves/,
    );
    for (const Kind of [Float32Array, Float64Array, Int32Array]) {
      const shared = new Kind(new SharedArrayBuffer(2 * Kind.BYTES_PER_ELEMENT) as never, 0, 2);
      shared.set([3, 4]);
      expect([...(await engine.tensor(shared, [2]).data())]).toEqual([3, 4]);
    }
    const written = engine.tensor([0, 0]);
    written.write(new Float32Array(new SharedArrayBuffer(8)).fill(5));
    expect([...(await written.data())]).toEqual([5, 5]);
  });

  it('backward with a gradient of another engine, a freed one, or one of integers', async () => {
    const other = new Engine(new ReferenceBackend());
    const freed = engine.tensor([1]);
    freed.dispose();
    for (const [gradient, code] of [
      [other.tensor([1]), 'autograd/engine'],
      [freed, 'tensor/freed'],
      [engine.tensor(Int32Array.of(1)), 'tensor/dtype'],
    ] as const) {
      const loss = leaf([2]).mul(3);
      expect(() => loss.backward(gradient)).toThrow(expect.objectContaining({ code }));
      await works();
    }
  });

  it('two engines in one optimizer or in clipGradNorm', async () => {
    const other = new Engine(new ReferenceBackend());
    const both = [leaf([1]), leaf([1], other)].map((tensor, k) => ({ name: `p${k}`, tensor }));
    expect(() => new AdamW(both)).toThrow(/p1 belongs to another engine/);
    await expect(clipGradNorm(both, 1)).rejects.toThrow(/p1 belongs to another engine/);
    await works();
  });

  it('a gradient set by hand that is none of the tensor', async () => {
    const other = new Engine(new ReferenceBackend());
    const x = leaf([1, 2]);
    for (const [wrong, code] of [
      [other.tensor([1, 2]), 'autograd/engine'],
      [engine.tensor([1, 2, 3]), 'autograd/gradient'],
      [engine.tensor(Int32Array.of(1, 2)), 'autograd/gradient'],
      [[1, 2], 'autograd/gradient'],
    ] as const) {
      expect(() => untyped(() => Object.assign(x, { grad: wrong }))).toThrow(expect.objectContaining({ code }));
    }
    x.grad = engine.tensor([1, 2]);
    x.sum().backward();
    expect([...((await x.grad.data()) ?? [])]).toEqual([2, 3]);
  });

  it('requiresGrad of what cannot have a gradient, or of a result that must', async () => {
    const w = leaf([1, 2]);
    const y = w.square();
    for (const [of, to, message] of [
      [engine.tensor(Int32Array.of(1)), true, /i32\[1\] cannot require a gradient; make it f32/],
      [y, false, /is the result of square .*: detach\(\) it/],
      [w, 'yes', /requiresGrad is 'yes'; it takes true or false/],
    ] as const)
      expect(() => untyped(() => Object.assign(of, { requiresGrad: to }))).toThrow(message);
    w.requiresGrad = false;
    expect(w.square().requiresGrad).toBe(false);
    w.requiresGrad = y.requiresGrad = true;
    y.sum().backward();
    expect([...((await w.grad?.data()) ?? [])]).toEqual([2, 4]);
  });

  it('a module that holds the one that holds it, by every way through it', async () => {
    const previous = setEngine(engine);
    try {
      class Inner extends Module {
        readonly layer = new Linear(1, 1);
        parent: Module | null = null;
      }
      class Outer extends Module {
        readonly inner = new Inner();
      }
      const outer = new Outer();
      expect(outer.parameters().length).toBe(2);
      outer.inner.parent = outer;
      const advice = /Inner.parent is the Outer that holds this Inner: keep it in a private field \(#parent\)/;
      for (const walk of [() => outer.parameters(), () => outer.eval(), () => outer.zeroGrad(), () => outer.dispose()])
        expect(walk).toThrow(advice);
      await expect(outer.stateDict()).rejects.toThrow(advice);
    } finally {
      setEngine(previous);
    }
  });

  it('a parameter freed under an optimizer', async () => {
    const tensor = leaf([1]);
    const optimizer = new SGD([tensor], { lr: 1 });
    tensor.dispose();
    expect(() => optimizer.step()).toThrow(/parameter 0 of shape \[1\] was freed/);
    await works();
  });

  it('options that do not exist or are of another kind', () => {
    const x = engine.tensor(new Float32Array(16), [1, 4, 4, 1]);
    const weight = engine.tensor([1], [1, 1, 1, 1]);
    const refused: [() => unknown, RegExp][] = [
      [() => untyped(F.conv2d, x, weight, null, { padding: 'same' }), /padding is 'same'/],
      [() => untyped(F.conv2d, x, weight, null, { paddings: 1 }), /has no option paddings; it has stride, padding/],
      [() => untyped(F.maxPool2d, x, {}), /maxPool2d: kernel is missing/],
      [() => untyped(F.concat, []), /nothing to join/],
      [() => untyped(F.softmax, [1, 2]), /softmax: input x is \[1, 2\], not a tensor/],
      [() => untyped(() => new AdamW([leaf([1])], { weight_decay: 1 } as object)), /AdamW has no option weight_decay/],
      [() => untyped(() => engine.tensor([1], [1], { requires_grad: true } as object)), /no option requires_grad/],
    ];
    for (const [call, message] of refused) expect(call).toThrow(message);
  });

  it('shapes and data that are none; nested arrays and 64-bit integers are taken', async () => {
    for (const shape of [[2.5, 4], [-2, -5], ['10'], [Number.NaN], null]) {
      expect(() => untyped((s: number[]) => engine.empty(s), shape)).toThrow(/is not a shape/);
    }
    for (const data of [null, 'abc', [1, undefined], ['1'], [[1, 2], [3]]]) {
      expect(() => untyped((d: number[]) => engine.tensor(d), data)).toThrow(/tensor: /);
    }
    expect(() => engine.tensor([0.5], [1], { dtype: 'i32' })).toThrow(/element 0 is 0.5, which i32 does not hold/);
    expect(() => engine.tensor([Number.NaN], [1], { dtype: 'i32' })).toThrow(/element 0 is NaN/);
    const nested = engine.tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(nested.shape).toEqual([2, 2]);
    expect([...(await nested.data())]).toEqual([1, 2, 3, 4]);
    for (const whole of [BigInt64Array.of(1n), BigUint64Array.of(1n), Uint8ClampedArray.of(1), Int16Array.of(1)])
      expect(engine.tensor(whole).dtype).toBe('i32');
  });

  it('softmax over another axis, outputPadding, and an optimizer of module.parameters() are there', async () => {
    const x = engine.tensor([0, 0, Math.log(3), 0], [2, 2]);
    const got = await F.softmax(x, 0).data();
    for (const [i, want] of [0.25, 0.5, 0.75, 0.5].entries()) expect(got[i]).toBeCloseTo(want, 6);
    const y = F.convTranspose2d(engine.tensor([1], [1, 1, 1, 1]), engine.tensor([1], [1, 1, 1, 1]), null, {
      stride: 2,
      outputPadding: 1,
    });
    expect(y.shape).toEqual([1, 2, 2, 1]);
  });

  it('calls after the engine was destroyed', async () => {
    const { device } = await createNodeDevice();
    const gone = new Engine(new GpuBackend(device));
    const x = gone.tensor([1]);
    device.destroy();
    expect(() => x.add(1)).toThrow(expect.objectContaining({ code: 'gpu/destroyed' }));
    await expect(x.data()).rejects.toThrow(expect.objectContaining({ code: 'gpu/destroyed' }));
  });
});

describe('what PyTorch users reported of other tools', () => {
  it('a convolution whose scratch exceeds a buffer, though its input and output fit, takes a version without (B14)', async () => {
    const { device } = await createNodeDevice();
    const target = { ...device.target, limits: { ...DEFAULT_LIMITS, maxStorageBufferBindingSize: 40_000 } };
    const small = new Engine(new GpuBackend(Object.defineProperty(device, 'target', { value: target })));
    const x = small.tensor(new Float32Array(64 * 64).fill(1), [1, 64, 64, 1], { requiresGrad: true });
    const y = F.conv2d(x, small.tensor([1, 2], [1, 1, 1, 2]));
    expect([...(await y.data()).slice(0, 4)]).toEqual([1, 2, 1, 2]);
    y.sum().backward();
    expect((await x.grad?.data())?.[5]).toBe(3);
    device.destroy();
  });

  it('state dicts go to files and come back, counters of any type among them or missing (B15)', async () => {
    const previous = setEngine(engine);
    try {
      const net = (): Sequential => new Sequential(new Conv2d(3, 4, 3), new BatchNorm2d(4));
      const saved = await net().stateDict();
      const file = decodeSafetensors(encodeSafetensors(saved), 'net');
      expect(net().loadStateDict(file.tensors).matched.length).toBe(7);
      const counter = { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) } as const;
      const counted = net();
      counted.loadStateDict(new Map([...file.tensors, ['1.num_batches_tracked', counter]]));
      expect((await counted.stateDict()).get('1.num_batches_tracked')?.data).toEqual(Float32Array.of(7));
      const unsigned = { shape: [], data: BigUint64Array.of(8n) };
      counted.loadStateDict(new Map([['1.num_batches_tracked', unsigned]]), { strict: false });
      expect((await counted.stateDict()).get('1.num_batches_tracked')?.data).toEqual(Float32Array.of(8));
      const [, ...withoutOne] = [...saved];
      saved.delete('1.num_batches_tracked');
      expect(net().loadStateDict(saved)).toMatchObject({ missing: [] });
      expect(() => net().loadStateDict(new Map(withoutOne))).toThrow(/missing \(1\): 0.weight/);
      for (const wrong of [saved.values(), { tensors: saved }, Object.fromEntries(saved), null])
        expect(() => untyped(encodeSafetensors, wrong)).toThrow(/it takes a Map/);
      expect(() => untyped((given: never) => net().loadStateDict(given), Object.fromEntries(saved))).toThrow(
        /it takes a Map/,
      );
      expect(() => untyped(encodeSafetensors, new Map([['w', [1, 2]]]))).toThrow(/"w": its data is undefined/);
    } finally {
      setEngine(previous);
    }
  });

  it('relu passes the gradient at NaN, alone and fused', async () => {
    const one = () => engine.tensor([Number.NaN, -1, 2], [1, 3], { requiresGrad: true });
    const gradientOf = async (x: Tensor, y: Tensor): Promise<number[]> => {
      y.backward(engine.tensor(new Float32Array(y.size).fill(1), y.shape));
      return [...((await x.grad?.data()) ?? [])];
    };
    const x = one();
    expect(await gradientOf(x, x.relu())).toEqual([1, 0, 1]);
    const bias = engine.tensor([Number.NaN, -1, 2], [3], { requiresGrad: true });
    const [row, eye] = [engine.tensor([0, 0, 0], [1, 3]), engine.tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3])];
    expect(await gradientOf(bias, F.linear(row, eye, bias, 'relu'))).toEqual([1, 0, 1]);
    bias.grad = null;
    const image = engine.tensor(new Float32Array(3), [1, 1, 1, 3]);
    const y = F.conv2d(image, eye.reshape([1, 1, 3, 3]), bias, { activation: 'relu' });
    expect(await gradientOf(bias, y)).toEqual([1, 0, 1]);
  });

  it('noGrad and scope of an asynchronous body are refused: its work would run after they end', async () => {
    expect(() => engine.noGrad(async () => works())).toThrow(/noGrad: the body must be synchronous/);
    expect(engine.gradEnabled).toBe(true);
    await works();
  });
});

describe('there are no empty tensors', () => {
  it('one with an extent of 0 is refused where it is made, whoever makes it', async () => {
    const previous = setEngine(engine);
    const x = engine.tensor([1, 2, 3]);
    const image = engine.tensor([1, 2, 3, 4], [1, 2, 2, 1]);
    const makers: Readonly<Record<string, () => unknown>> = {
      'tensor of a shape': () => engine.tensor([], [0, 3]),
      'tensor of nothing': () => engine.tensor([]),
      'tensor of empty rows': () => engine.tensor([[], []]),
      empty: () => engine.empty([2, 0]),
      Parameter: () => new Parameter([0], new Float32Array(0)),
      'an initializer': () => zeros([3, 0], engine.generator),
      'a layer': () => new Linear(0, 1),
      slice: () => x.slice(0, 1, 1),
      'slice from behind': () => x.slice(0, 2, -1),
      split: () => x.split([0, 3]),
      expand: () => x.unsqueeze(0).expand([0, 3]),
      reshape: () => x.reshape([0, -1]),
      'reshape to nothing': () => x.reshape([3, 0]),
      concat: () => F.concat([], 0),
      selectRows: () => F.selectRows(x, []),
      interpolate: () => F.interpolate(image, { scaleFactor: 0.4 }),
      adaptiveAvgPool2d: () => F.adaptiveAvgPool2d(image, 0),
      'a window beyond the image': () => F.maxPool2d(image, { kernel: 3 }),
    };
    try {
      for (const [name, make] of Object.entries(makers)) expect(make, name).toThrow(GmtlError);
      const walk = async () => {
        for await (const batch of new DataLoader([[], []], { batchSize: 2 })) return batch;
      };
      await expect(walk()).rejects.toThrow(GmtlError);
    } finally {
      setEngine(previous);
    }
    await works();
  });

  it.each(ops.map((op) => [op.name, op] as const))(
    '%s gives none, whatever is empty in its cases: by the one rule for what programs make, or by its own shapes',
    (_name, op) => {
      const cases = op.cases.filter(({ purpose }) => purpose.includes('test'));
      const backend = new DryBackend();
      for (const { inputs, attributes } of cases) {
        for (const [index, { shape }] of inputs.entries()) {
          for (let axis = 0; axis < shape.length; axis++) {
            // Past the engine, which does not make such an input.
            const values = inputs.map(({ shape: own, dtype = 'f32' }, at) =>
              backend.allocate({ shape: at === index ? own.with(axis, 0) : own, dtype }),
            );
            expect(() => engine.empty(values[index].spec.shape)).toThrow(
              expect.objectContaining({ code: 'tensor/empty' }),
            );
            for (const program of new Set([op.forward, op.inference ?? op.forward])) {
              try {
                for (const { spec } of runProgram(backend, program, values, attributes))
                  expect(spec.shape, formatShape(spec.shape)).not.toContain(0);
              } catch (error) {
                expect(error).toBeInstanceOf(GmtlError);
              }
            }
          }
        }
      }
    },
  );
});

describe('what backward needs must not change in between', () => {
  it('write() between forward and backward is refused, as in PyTorch', () => {
    const [x, w] = [engine.tensor([2]), leaf([3])];
    const loss = w.mul(x);
    x.write(Float32Array.of(100));
    expect(() => loss.backward()).toThrow(/input a|input b/);
    expect(() => w.mul(x).backward()).not.toThrow();
  });

  it('optimizer.step() between forward and backward is refused; steps in order are not', () => {
    const w = leaf([3]);
    const optimizer = new SGD([w], { lr: 0.1 });
    w.mul(w).backward();
    const late = w.mul(w);
    optimizer.step();
    expect(() => late.backward()).toThrow(expect.objectContaining({ code: 'autograd/changed' }));
    w.mul(w).backward();
    optimizer.step();
  });
});

describe('labels', () => {
  const logits = () => engine.tensor([1, 2, 3, 4, 5, 6], [2, 3], { requiresGrad: true });
  it.each([3, 1_000_000, -(2 ** 31)])(
    'a label of %i is not a class: the loss and its row of gradients are NaN',
    async (label) => {
      const x = logits();
      const loss = F.crossEntropy(x, engine.tensor(Int32Array.of(0, label)));
      expect(await loss.item()).toBeNaN();
      loss.backward();
      expect([...((await x.grad?.data()) ?? [])].slice(3).every(Number.isNaN)).toBe(true);
      expect(await F.cornLoss(logits(), engine.tensor(Int32Array.of(0, label + (label > 0 ? 1 : 0)))).item()).toBeNaN();
    },
  );

  it('NaN made an integer is not a class either; ignored rows count nothing', async () => {
    const made = engine.tensor([Number.NaN, 1]).cast('i32');
    expect(await F.crossEntropy(logits(), made).item()).toBeNaN();
    const ignored = await F.crossEntropy(logits(), engine.tensor(Int32Array.of(0, -1))).item();
    expect(ignored).toBeCloseTo(2.4076, 4);
  });
});

describe('clipGradNorm', () => {
  it.each([
    [1e20, 1, 0],
    [3e38, 1, 0],
    [5, 0, 0],
    [Math.SQRT1_2, 0.5, 0.5 * Math.SQRT1_2],
  ])('of gradients %d to norm %d leaves %d, as PyTorch', async (gradient, maxNorm, left) => {
    const x = leaf([1, 1]);
    x.mul(gradient).sum().backward();
    const norm = await clipGradNorm([{ name: 'x', tensor: x }], maxNorm);
    expect(norm).toBeCloseTo(gradient > 1e19 ? Number.POSITIVE_INFINITY : Math.hypot(gradient, gradient), 5);
    for (const value of (await x.grad?.data()) ?? []) expect(value).toBeCloseTo(left, 5);
  });
});

describe('more than six axes', () => {
  it('work where neighbors lie alike, and are refused with the reason where not', async () => {
    const shape = [2, 1, 2, 1, 2, 1, 2, 2];
    const x = engine.tensor(
      Float32Array.from({ length: 32 }, (_, i) => i),
      shape,
    );
    expect((await x.add(x).data())[31]).toBe(62);
    const a = engine.tensor(new Float32Array(16), [2, 1, 2, 1, 2, 1, 2, 1]);
    const b = engine.tensor(new Float32Array(16), [1, 2, 1, 2, 1, 2, 1, 2]);
    expect(() => a.add(b)).toThrow(/more than six axes/);
  });
});
