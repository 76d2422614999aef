/** Tier: any adapter. Tensor's composed methods and the composed functions against PyTorch (fixtures/makeComposites.py), values and gradients. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setEngine } from '../autograd/currentEngine.ts';
import { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { GpuDevice } from '../gpu/device.ts';
import { createNodeDevice } from '../node/createDevice.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { clipGradValue } from '../optim/clipGradValue.ts';
import { Adam } from '../optim/adamw.ts';
import { SGD } from '../optim/sgd.ts';
import * as F from './functional.ts';
import { Sequential } from './container.ts';
import { Conv2d, ConvTranspose2d } from './convolution.ts';
import { Linear } from './linear.ts';
import { GroupNorm } from './normalization.ts';
import { DropPath, Dropout, Flatten, GELU, Identity, MaxPool2d } from './stateless.ts';
import { RandomSource } from './randomSource.ts';

interface GoldenCase {
  readonly name: string;
  readonly arguments: readonly unknown[];
  readonly inputs: readonly { readonly shape: readonly number[]; readonly values: readonly number[] }[];
  readonly shape: readonly number[];
  readonly output: readonly number[];
  readonly gradients?: readonly (readonly number[])[];
}

const cases: readonly GoldenCase[] = JSON.parse(
  readFileSync(new URL('fixtures/composites.json', import.meta.url), 'utf8'),
);

let device: GpuDevice;
beforeAll(async () => {
  ({ device } = await createNodeDevice());
});
afterAll(() => {
  setEngine(null);
  device.destroy();
});

/** Edges that the goldens do not have: what PyTorch says of them. */
const edges: readonly (readonly [string, (engine: Engine) => Tensor, readonly number[]])[] = [
  ['argmax beside -infinity', (e) => e.tensor([[-Infinity, 1, 2]]).argmax(1), [2]],
  ['argmax of NaN', (e) => e.tensor([[1, NaN, 3]]).argmax(1), [1]],
  ['pow 0', (e) => e.tensor([NaN, -2, 0]).pow(0), [1, 1, 1]],
  ['pow -17', (e) => e.tensor([-2, 1, -Infinity]).pow(-17), [-(2 ** -17), 1, 0]],
  ['pow 2.5 of -infinity', (e) => e.tensor([-Infinity]).pow(2.5), [Infinity]],
  ['pow -0.5 of -infinity', (e) => e.tensor([-Infinity, -1]).pow(-0.5), [0, NaN]],
  ['pow 0.3', (e) => e.tensor([-1, 0, Infinity]).pow(0.3), [NaN, 0, Infinity]],
  ['gradient of pow 1.5', (e) => gradient(e, [0, 4], (x) => x.pow(1.5)), [0, 3]],
  ['gradient of std of equal numbers', (e) => gradient(e, [3, 3], (x) => x.std()), [0, 0]],
  ['var far from 0', (e) => e.tensor([10000, 10000.25, 10000.5, 10000.75]).var(), [0.3125 / 3]],
  [
    'gather of what is none of the axis',
    (e) => e.tensor([[5, 6]]).gather(1, e.tensor(Int32Array.of(-1, 1, 2), [1, 3])),
    [NaN, 6, NaN],
  ],
  [
    'indexSelect of integers',
    (e) => e.tensor(Int32Array.of(5, 6)).indexSelect(0, e.tensor(Int32Array.of(1, 2))),
    [6, -(2 ** 31)],
  ],
  [
    'nllLoss of ignored rows alone, which are infinite',
    (e) => F.nllLoss(e.tensor([[-Infinity, NaN]]), e.tensor(Int32Array.of(-1))),
    [0],
  ],
  ['nllLoss of a label that is none', (e) => F.nllLoss(e.tensor([[-1, -2]]), e.tensor(Int32Array.of(2))), [NaN]],
  [
    'gradient of nllLoss beside an ignored row of infinity',
    (e) => gradient(e, [-1, -2, -Infinity, 0], (x) => F.nllLoss(x.reshape([2, 2]), e.tensor(Int32Array.of(1, -1)))),
    [0, -1, 0, 0],
  ],
  ['clamp without an upper bound', (e) => e.tensor([NaN, -1, Infinity]).clamp(0, Infinity), [NaN, 0, Infinity]],
];

function gradient(engine: Engine, values: readonly number[], f: (x: Tensor) => Tensor): Tensor {
  const x = engine.tensor(values, [values.length], { requiresGrad: true });
  f(x).sum().backward();
  return x.grad as Tensor;
}

const backends = [
  // PyTorch's numbers are written with nine digits.
  { name: 'float64 references', make: () => new Engine(new ReferenceBackend()), tolerance: 1e-6 },
  // A few float32 roundings, of powers and roots a few ulp each.
  { name: 'adapter', make: () => new Engine(new GpuBackend(device)), tolerance: 2e-5 },
];

function close(got: ArrayLike<number>, want: readonly number[], tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.length);
  want.forEach((value, i) => {
    const error = Math.abs(got[i] - value) / Math.max(1, Math.abs(value));
    expect(error, `${what}[${i}]: ${got[i]} for ${value}`).toBeLessThanOrEqual(tolerance);
  });
}

type Callable = (...parts: unknown[]) => Tensor;

/** Arguments as they are written, but for tensors, which are written by their type. */
function given(engine: Engine, argument: unknown): unknown {
  if (typeof argument !== 'object' || argument === null || Array.isArray(argument)) return argument;
  const [[type, values]] = Object.entries(argument);
  if (type === 'i32' || type === 'f32') return engine.tensor(values, undefined, { dtype: type });
  return Object.fromEntries(Object.entries(argument).map(([key, value]) => [key, given(engine, value)]));
}

/** The method of that name, else the function; stack takes an array. */
function call({ name, arguments: written }: GoldenCase, tensors: readonly Tensor[]): Tensor {
  const [first, ...others] = tensors;
  const rest = written.map((argument) => given(first.engine, argument));
  if (name === 'stack') return F.stack(tensors, rest[0] as number);
  const method = (first as unknown as Readonly<Record<string, Callable | undefined>>)[name];
  if (method) return method.call(first, ...others, ...rest);
  const named = (F as unknown as Readonly<Record<string, Callable>>)[name];
  // The number of groups stands before weight and bias.
  return name === 'groupNorm' ? named(first, ...rest, ...others) : named(...tensors, ...rest);
}

describe.each(backends)('on $name', ({ make, tolerance }) => {
  it.each(cases.map((each, index) => [`${each.name} ${index}`, each] as const))('%s', async (_label, golden) => {
    const engine = make();
    setEngine(engine);
    const tensors = golden.inputs.map(({ shape, values }) =>
      engine.tensor(values, shape, { requiresGrad: golden.gradients !== undefined }).keep(),
    );
    const output = engine.scope(() => call(golden, tensors)).keep();
    expect(output.shape).toEqual(golden.shape);
    close(await output.data(), golden.output, tolerance, golden.name);
    if (golden.gradients) {
      const weights = Float32Array.from({ length: output.size }, (_, i) => (i % 7) + 1);
      engine.scope(() => output.mul(engine.tensor(weights, output.shape)).sum().backward());
      for (const [index, wanted] of golden.gradients.entries()) {
        const { grad } = tensors[index];
        const found = grad ? await grad.data() : new Float64Array(wanted.length);
        close(found, wanted, 10 * tolerance, `gradient ${index} of ${golden.name}`);
      }
    }
  });

  it.each(edges)('%s', async (_name, compute, wanted) => {
    const got = [...(await compute(make()).data())];
    expect(got.map(Number.isNaN)).toEqual(wanted.map(Number.isNaN));
    for (const [i, value] of wanted.entries()) if (Number.isFinite(value)) expect(got[i]).toBeCloseTo(value, 5);
    expect(got.map((v) => Math.abs(v) === Infinity)).toEqual(wanted.map((v) => Math.abs(v) === Infinity));
  });

  it('losses of two shapes are refused: a column beside a row would be all pairs', () => {
    const engine = make();
    expect(() => F.mseLoss(engine.tensor([[1], [2]]), engine.tensor([1, 2]))).toThrow(/differ in shape/);
    expect(() => F.smoothL1Loss(engine.tensor([1]), engine.tensor([2]), -1)).toThrow(/beta is -1/);
  });

  it('leaves nothing behind: composed methods free what lies between', async () => {
    const engine = make();
    setEngine(engine);
    const x = engine.tensor([1, 2, 3, 4], [2, 2]).keep();
    const before = engine.backend.statistics().liveBuffers;
    for (const made of [x.pow(3), x.clamp(0, 2), x.var(), x.argmax(1), x.softmax(0), F.mseLoss(x, x), x.flip([0])])
      made.dispose();
    expect(engine.backend.statistics().liveBuffers).toBe(before);
  });

  it('argmax of integers is refused, which float32 would not tell apart; so are lists of no axes and negative extents', () => {
    const engine = make();
    const large = engine.tensor(Int32Array.of(16_777_216, 16_777_217));
    for (const find of [() => large.argmax(0), () => large.argmin(0)])
      expect(find).toThrow(/^arg(max|min): the tensor is i32; it takes f32 or f16: convert it/);
    const x = engine.tensor([[1, 2]]);
    for (const name of ['sum', 'mean', 'max', 'min', 'var', 'std'] as const)
      expect(() => x[name]([])).toThrow(`${name}: the axes are []; leave them out to reduce all`);
    expect(engine.tensor([5], []).var().shape).toEqual([]);
    expect(() => x.expand([-1, 1, 2])).toThrow(/expand: \[-1, 1, 2\] is not a shape/);
  });

  it('where picks a for every condition but 0: NaN, what float16 holds as 0, subnormal numbers', async () => {
    const engine = make();
    const condition = engine.tensor([Number.NaN, 1e-10, 1e-40, -0, 0]);
    const [a, b] = [engine.tensor([1, 2, 3, 4, 5]), engine.tensor([6, 7, 8, 9, 10])];
    expect([...(await F.where(condition, a, b).data())]).toEqual([1, 2, 3, 9, 10]);
    const integers = F.where(engine.tensor(Int32Array.of(-1, 0, 7, 0, 0)), a, b);
    expect([...(await integers.data())]).toEqual([1, 7, 3, 9, 10]);
    if (engine.backend instanceof GpuBackend && !device.target.features.has('shader-f16')) return;
    const half = F.where(condition.slice(0, 0, 2), a.cast('f16').slice(0, 0, 2), b.cast('f16').slice(0, 0, 2));
    expect([...(await half.data())]).toEqual([1, 2]);
    const counts = [1, 2].map((k) => engine.tensor(Int32Array.of(k)));
    expect(() => F.where(engine.tensor([0.5]), counts[0], counts[1])).toThrow(/where: input a is i32/);
  });

  it('the gradient of picked rows is the same by both ways, bit for bit, also beside indices that are none', async () => {
    const gradients = ['scan', 'links'].map(async (version) => {
      const { backend } = make();
      const versions = new Map([['gather.backward', version]]);
      const engine = new Engine(backend instanceof GpuBackend ? new GpuBackend(device, { versions }) : backend);
      const x = engine.tensor(new Float32Array(300 * 5), [300, 5], { requiresGrad: true });
      const index = Int32Array.from({ length: 700 }, (_, k) =>
        k % 9 === 0 ? [-1, 300, -(2 ** 31)][k % 3] : k < 3 ? 297 + k : (k * 7919) % 290,
      );
      const weights = engine.tensor(
        // A lone -0 becomes 0 both ways: it is added to 0.
        Float32Array.from({ length: 3500 }, (_, k) => (k < 15 ? -0 : Math.sin(k))),
        [700, 5],
      );
      x.indexSelect(0, engine.tensor(index)).backward(weights);
      return (await x.grad?.data()) as Float32Array;
    });
    const [scan, links] = await Promise.all(gradients);
    expect(links).toEqual(scan);
    expect(scan.slice(290 * 5).every((value) => Object.is(value, 0))).toBe(true);
    expect(scan.some((value) => value !== 0)).toBe(true);
  });

  it('NaN stays NaN through clamp, and what where does not pick goes nowhere', async () => {
    const engine = make();
    const x = engine.tensor([Number.NaN, 5], [2], { requiresGrad: true });
    expect([...(await x.clamp(0, 1).data())]).toEqual([Number.NaN, 1]);
    const picked = F.where(engine.tensor([0, 1]), x, engine.tensor([7, 8]));
    expect([...(await picked.data())]).toEqual([7, 5]);
    picked.sum().backward();
    expect([...((await x.grad?.data()) ?? [])]).toEqual([0, 1]);
  });

  it('tied weights are one parameter, as in PyTorch, and stand in the state dict under each name', async () => {
    const engine = make();
    setEngine(engine);
    const [first, second] = [new Linear(2, 2, { bias: false }), new Linear(2, 2, { bias: false })];
    Object.assign(second, { weight: first.weight });
    const net = new Sequential(first, second);
    first.weight.write([2, 0, 0, 2]);
    const optimizer = new SGD(net.parameters(), { lr: 1 });
    net
      .forward(engine.tensor([[1, 1]]))
      .sum()
      .backward();
    optimizer.step();
    // y = W W x: the gradient of sum(y) is 1 (W x)^T + (W^T 1) x^T, 4 everywhere here.
    expect([...(await second.weight.data())]).toEqual([-2, -4, -4, -2]);
    expect([...(await net.stateDict()).keys()]).toEqual(['0.weight', '1.weight']);
    expect([net.parameterCount(), new Sequential(first, first).parameters().length]).toEqual([4, 1]);
    net.dispose();
  });

  it('layers: shapes, modes and a network of them that learns', async () => {
    const engine = make();
    setEngine(engine);
    const random = new RandomSource(3);
    const net = new Sequential(
      new Conv2d(2, 6, [3, 1], { padding: [1, 0] }),
      new GroupNorm(2, 6),
      new GELU(),
      new MaxPool2d(2),
      new ConvTranspose2d(6, 4, [2, 2], { stride: 2, groups: 2, bias: false, outputPadding: [1, 0] }),
      new Identity(),
      new Dropout(0.25, random),
      new DropPath(0.1, random),
      new Flatten(),
    );
    const x = engine
      .tensor(
        Float32Array.from({ length: 3 * 4 * 4 * 2 }, (_, i) => Math.sin(i)),
        [3, 4, 4, 2],
      )
      .keep();
    const optimizer = new Adam(net.parameters(), { lr: 1e-2 });
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) {
      random.setStep(step);
      const loss = engine.scope(() => {
        const each = F.mseLoss(net.forward(x), x.affine(0, 0.5).sum([3]).flatten(1).slice(1, 0, 1).expand([3, 80]));
        each.backward();
        clipGradValue(net.parameters(), 0.5);
        optimizer.step();
        optimizer.zeroGrad();
        return each.detach();
      });
      losses.push(await loss.item());
    }
    net.eval();
    expect(net.forward(x).shape).toEqual([3, 5 * 4 * 4]);
    expect(losses[19]).toBeLessThan(losses[0]);
  });
});
