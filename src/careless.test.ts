/** Everything the package exports is called as a careless user would call it: each call works or is a typed error. Walks the exports. Tier: no adapter. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as gmtl from './index.ts';

const { Engine, GmtlError, ReferenceBackend, setEngine, Tensor } = gmtl;
const { functional: F, optim, layers, convnext, resnet, Unet } = { ...gmtl, optim: gmtl, layers: gmtl };

const folder = mkdtempSync(join(tmpdir(), 'gmtl-careless-'));
const engine = new Engine(new ReferenceBackend());
const other = new Engine(new ReferenceBackend());
setEngine(engine);
afterAll(() => {
  setEngine(null);
  rmSync(folder, { recursive: true });
});

type Call = (...given: unknown[]) => unknown;

/** What a call with any arguments would not test, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  listAdapters: 'takes nothing, and opens every adapter',
  GmtlError: 'is the error itself',
  GpuDevice: 'has a private constructor; createBrowserDevice and createEngine make one',
  Optimizer: 'is abstract; AdamW, SGD and RMSprop are walked',
};

/** Arguments that a user may give by mistake. */
function garbage(): unknown[] {
  const freed = engine.tensor([1]);
  freed.dispose();
  return [
    ...[undefined, null, 'same', '', {}, { unknown: 1 }, Number.NaN, -1, 0, 1.5, [], [1, 'a'], [2.5, -1]],
    ...[() => 0, new Map(), new Uint8Array(3), 3n, new URL('file:///same'), freed, other.tensor([1])],
  ];
}

/** Arguments that are mostly right, to which one wrong one is added: of functions on tensors, and of all others. */
const TENSORS = (): unknown[] => [
  engine.tensor(new Float32Array(32).fill(0.5), [2, 2, 2, 4]),
  engine.tensor([1, 2, 3, 4]),
  1,
  2,
];
const OTHERS = (): unknown[] => [engine, join(folder, 'none'), {}, new gmtl.Linear(1, 1)];

/** Calls with each wrong argument in each of the first four places, the others left out or right. */
function* calls(good: () => unknown[]): Generator<unknown[]> {
  yield [];
  for (const wrong of garbage()) {
    yield [wrong];
    for (const right of good()) {
      yield [wrong, right];
      yield [right, wrong];
      yield [right, right, wrong];
      yield [right, right, null, wrong];
    }
  }
}

const shown = (item: unknown): string =>
  item instanceof Tensor ? String(item) : typeof item === 'object' ? (item?.constructor.name ?? 'null') : String(item);

/** Throws what is thrown that is not an error of ours, with the call. */
async function attempt(what: string, call: Call, good = TENSORS): Promise<void> {
  for (const given of calls(good)) {
    setEngine(engine);
    try {
      let pending: unknown;
      engine.scope(() => {
        const result = call(...given);
        if (result instanceof Promise) pending = result;
      });
      await pending;
    } catch (error) {
      if (!(error instanceof GmtlError)) {
        throw new Error(`${what}(${given.map(shown).join(', ')}): ${(error as Error).stack}`);
      }
      expect(error.message.length).toBeGreaterThan(14);
    }
  }
}

const isClass = (value: unknown): value is new (...given: unknown[]) => unknown =>
  typeof value === 'function' && /^class/.test(Function.prototype.toString.call(value));
const functionsOf = (exports: object): [string, Call][] =>
  Object.entries(exports).filter((entry): entry is [string, Call] => typeof entry[1] === 'function');
const methodsOf = (made: object): string[] =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(made)).filter((name) => {
    const { value } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(made), name) ?? {};
    return typeof value === 'function' && name !== 'constructor';
  });

/** Opening an adapter with good options is not a mistake. */
const opens = (name: string, [options]: unknown[]): boolean =>
  /^(createEngine|withEngine)$/.test(name) &&
  (options === undefined || (typeof options === 'object' && options !== null && Object.keys(options).length === 0));

const images = () => engine.tensor(new Float32Array(32).fill(0.5), [2, 2, 2, 4], { requiresGrad: true });

describe('wrong arguments', () => {
  it.each(functionsOf(F))('functional.%s', (name, call) => attempt(name, call));

  it.each(functionsOf(gmtl.init))('init.%s', (name, call) => attempt(name, call));

  it.each(functionsOf(gmtl).filter(([name]) => !(name in LEFT_OUT)))('%s', async (name, value) => {
    const call: Call = (...given) => {
      // No engine at all is what setEngine(null) is for.
      if (opens(name, given) || (value === setEngine && given[0] == null)) return undefined;
      return isClass(value) ? new value(...given) : value(...given);
    };
    await attempt(name, call, TENSORS);
    await attempt(name, call, OTHERS);
  });

  const params = () => new layers.Linear(4, 4).parameters();
  const instances: Readonly<Record<string, () => object>> = {
    Tensor: images,
    Engine: () => engine,
    Parameter: () => new gmtl.Parameter([2], Float32Array.of(1, 2)),
    Module: () => new (class Own extends gmtl.Module {})(),
    Linear: () => new layers.Linear(4, 4),
    Conv2d: () => new layers.Conv2d(4, 4, 1),
    BatchNorm2d: () => new layers.BatchNorm2d(4),
    LayerNorm: () => new layers.LayerNorm(4),
    Sequential: () => new layers.Sequential(new layers.Linear(4, 4)),
    BasicBlock: () => new gmtl.BasicBlock(4, 4),
    Optimizer: () => new optim.AdamW(params()),
    EMA: () => new optim.EMA(params()),
    GradientGuard: () => new optim.GradientGuard(params()),
    Plateau: () => new optim.Plateau({ mode: 'min' }),
    RandomSource: () => new gmtl.RandomSource(1),
    DataLoader: () => new gmtl.DataLoader([1]),
  };
  /** Methods of the base where the class itself has none that a user calls. */
  const BASES = ['Module', 'Optimizer'];
  /** Of the engine, what a user calls: the rest serves verification and capture. */
  const ENGINE = ['tensor', 'empty', 'backward', 'scope', 'noGrad', 'keep', 'apply', 'applyAll', 'run'];
  const methods = Object.entries(instances).flatMap(([name, make]) => {
    const made = BASES.includes(name) ? (Object.getPrototypeOf(make()) as object) : make();
    const found = name === 'Engine' ? ENGINE : methodsOf(made);
    return found.map((method) => ({ name, method, make }));
  });
  it.each(methods)('$name.$method', async ({ name, method, make }) => {
    const made = make();
    const fresh = name === 'Tensor' ? make : () => made;
    await attempt(`${name}.${method}`, (...given) => (fresh() as Record<string, Call>)[method](...given));
  });

  it('pictures in the order of axes of PyTorch are told from other mistakes of shape', () => {
    const nchw = engine.tensor(new Float32Array(2 * 4 * 9 * 9), [2, 4, 9, 9]);
    const convolution = new layers.Conv2d(4, 8, 3);
    for (const layer of [
      convolution,
      new layers.DepthwiseConv2d(4, 3),
      new layers.ConvTranspose2d(4, 2, 3),
      new layers.BatchNorm2d(4),
      new layers.LayerNorm(4),
      new layers.GroupNorm(2, 4),
      new layers.Linear(4, 2),
    ]) {
      expect(() => layer.forward(nchw)).toThrow(/it looks like NCHW, .*permute\(\[0, 2, 3, 1\]\)/);
      expect(layer.forward(nchw.permute([0, 2, 3, 1])).shape[0]).toBe(2);
    }
    const [x, weight] = [nchw.permute([0, 2, 3, 1]), convolution.weight.permute([3, 2, 0, 1])];
    expect(() => F.conv2d(x, weight)).toThrow(/the weight looks like PyTorch's/);
    expect(() => convolution.forward(x.slice(0, 0, 1).squeeze([0]))).toThrow(/one image needs a batch axis/);
    // Where it may be meant as it is, nothing is guessed.
    const zeros = (shape: number[]) => engine.tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
    for (const [input, kernel] of [
      [
        [1, 64, 64, 32],
        [3, 3, 64, 8],
      ],
      [
        [1, 32, 32, 3],
        [3, 3, 8, 8],
      ],
    ]) {
      const unclear = () => F.conv2d(zeros(input), zeros(kernel));
      expect(unclear).toThrow(/do not fit with 1 group/);
      expect(unclear).not.toThrow(/looks like/);
    }
    const heads = () => zeros([2, 8, 16, 4]).matmul(zeros([2, 8, 8, 16]));
    expect(heads).toThrow(/rows of 4 elements do not meet columns of 8$/);
    expect(() => new layers.BatchNorm2d(32).forward(zeros([2, 5, 30]))).not.toThrow(/batch axis/);
  });

  it('options that do not exist are refused, not ignored', () => {
    const params = new layers.Linear(1, 1).parameters();
    const unknown = { unknown: 1 } as object;
    for (const make of [
      () => new Engine(new ReferenceBackend(), unknown),
      () => new optim.EMA(params, unknown),
      () => new optim.GradientGuard(params, unknown),
      () => new optim.AdamW(params, unknown),
      () => new optim.Plateau({ mode: 'min', ...unknown }),
      () => optim.cosine({ totalSteps: 2, ...unknown }),
      () => optim.oneCycle({ totalSteps: 2, ...unknown }),
      () => optim.polynomial({ totalSteps: 2, ...unknown }),
      () => convnext('demo', unknown),
      () => resnet('resnet18', unknown),
      () => new Unet({ encoder: 'resnet18', classes: 1, ...unknown }),
      () => new layers.Linear(1, 1, unknown),
      () => new layers.Linear(1, 1).loadStateDict(new Map(), unknown),
    ]) {
      expect(make).toThrow(/has no option unknown; it has/);
    }
    expect(() => new optim.AdamW(params, { betas: [0.9] as never })).toThrow(/count of betas/);
    expect(() => new optim.AdamW([engine.tensor([1], [1], { requiresGrad: true }).mul(2)])).toThrow(/only leaves/);
    expect(() => engine.tensor(Int32Array.of(1), [1], { requiresGrad: true })).toThrow(/i32 cannot require a gradient/);
    expect(() => convnext('tinny' as never)).toThrow(/variant is 'tinny'; it takes demo, atto/);
  });
});
