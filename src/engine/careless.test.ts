/** What is exported is called as a careless user would call it: each call works or is a typed error. Walks the exports. Tier: no adapter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine, setEngine } from './autograd/engine.ts';
import { Tensor } from './autograd/tensor.ts';
import { GmtlError } from './errors.ts';
import * as F from './nn/functional.ts';
import { ConvNeXt, convnext } from './models/convnext.ts';
import { ResNet, resnet } from './models/resnet.ts';
import { Unet } from './models/unet.ts';
import * as layers from './nn/layers.ts';
import { RandomSource } from './nn/randomSource.ts';
import * as optim from './optim/index.ts';
import { ReferenceBackend } from './ops/referenceBackend.ts';

const engine = new Engine(new ReferenceBackend());
const other = new Engine(new ReferenceBackend());
beforeAll(() => setEngine(engine));
afterAll(() => setEngine(null));

/** Arguments that a user may give by mistake. */
function garbage(): unknown[] {
  const freed = engine.tensor([1]);
  freed.dispose();
  return [
    undefined,
    null,
    'same',
    {},
    { unknown: 1 },
    Number.NaN,
    -1,
    0,
    1.5,
    [],
    [1, 'a'],
    [2.5, -1],
    () => 0,
    freed,
    other.tensor([1]),
  ];
}

/** Arguments that are mostly right, to which one wrong one is added. */
const good = (): unknown[] => [
  engine.tensor(new Float32Array(32).fill(0.5), [2, 2, 2, 4]),
  engine.tensor([1, 2, 3, 4]),
  1,
  2,
];

/** Calls with each wrong argument in each of the first four places, the others left out or right. */
function* calls(): Generator<unknown[]> {
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

/** Throws what is thrown that is no error of ours, with the call. */
function attempt(what: string, call: (given: unknown[]) => unknown): void {
  for (const given of calls()) {
    try {
      engine.scope(() => {
        const result = call(given);
        if (result instanceof Promise) result.catch(() => undefined);
      });
    } catch (error) {
      const text = given.map((item) => (item instanceof Tensor ? String(item) : JSON.stringify(item))).join(', ');
      if (!(error instanceof GmtlError)) throw new Error(`${what}(${text}): ${(error as Error).stack}`);
      expect(error.message.length).toBeGreaterThan(20);
    }
  }
}

const isClass = (value: unknown): value is new (...given: unknown[]) => unknown =>
  typeof value === 'function' && /^class/.test(Function.prototype.toString.call(value));
const functions = Object.entries(F).filter(
  (entry): entry is [string, (typeof entry)[1] & ((...given: unknown[]) => unknown)] => typeof entry[1] === 'function',
);

describe('wrong arguments', () => {
  it.each(functions)('functional.%s', (name, call) =>
    attempt(name, (given) => (call as (...all: unknown[]) => unknown)(...given)),
  );

  const modules = Object.entries(layers).filter(([name, value]) => isClass(value) && name !== 'Layer');
  it.each(modules)('new %s', (name, Layer) =>
    attempt(name, (given) => new (Layer as unknown as new (...all: unknown[]) => unknown)(...given)),
  );

  const methods = Object.getOwnPropertyNames(Tensor.prototype).filter((name) => {
    const { value } = Object.getOwnPropertyDescriptor(Tensor.prototype, name) ?? {};
    return typeof value === 'function' && name !== 'constructor';
  });
  it.each(methods)('tensor.%s', (name) => {
    attempt(name, (given) => {
      const x = engine.tensor(new Float32Array(32).fill(0.5), [2, 2, 2, 4], { requiresGrad: true });
      return (x as unknown as Record<string, (...all: unknown[]) => unknown>)[name](...given);
    });
  });

  const builders = {
    ...optim,
    convnext,
    resnet,
    Unet,
    ResNet,
    ConvNeXt,
    RandomSource,
    setEngine: (given: never) => setEngine(given ?? engine),
  };
  it.each(Object.entries(builders).filter(([name, value]) => typeof value === 'function' && name !== 'Optimizer'))(
    '%s',
    (name, build) => {
      attempt(name, (given) =>
        isClass(build)
          ? new (build as new (...all: unknown[]) => unknown)(...given)
          : (build as unknown as (...all: unknown[]) => unknown)(...given),
      );
    },
  );

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

  it.each(['tensor', 'empty', 'backward', 'scope', 'noGrad', 'keep'] as const)('engine.%s', (name) => {
    attempt(name, (given) => (engine[name] as (...all: unknown[]) => unknown).call(engine, ...given));
  });
});
