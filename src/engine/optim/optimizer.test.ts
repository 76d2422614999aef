/**
 * Tier: any adapter. The optimizers against torch's numbers (fixtures/make_fixtures.py), on the float64 references and on the adapter
 * that GMTL_ADAPTER names (else the best there is).
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../autograd/engine.ts';
import { Replay } from '../autograd/replay.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { GpuDevice } from '../gpu/device.ts';
import { createNodeDevice } from '../node/createDevice.ts';
import { sub } from '../ops/binary/op.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { sum } from '../ops/reduce/op.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { unaryOps } from '../ops/unary/op.ts';
import { AdamW } from './adamw.ts';
import { EMA } from './ema.ts';
import { clipGradNorm, GradientGuard } from './gradientGuard.ts';
import type { Optimizer } from './optimizer.ts';
import { type NamedParameter, noDecay } from './parameters.ts';
import { RMSprop } from './rmsprop.ts';
import { SGD } from './sgd.ts';

type Numbers = Readonly<Record<string, readonly number[]>>;

interface OptimizerRun {
  readonly optimizer: 'adamw' | 'sgd' | 'rmsprop';
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly groups: Readonly<Record<string, { readonly weightDecay: number; readonly lrScale?: number }>>;
  readonly lr: number;
  readonly maxNorm: number | null;
  readonly norms: readonly number[];
  readonly after: readonly Numbers[];
  readonly state: Numbers;
}

const fixtures: {
  readonly shapes: Numbers;
  readonly start: Numbers;
  readonly gradients: readonly Numbers[];
  readonly runs: readonly OptimizerRun[];
} = JSON.parse(readFileSync(new URL('fixtures/optim.json', import.meta.url), 'utf8'));

let device: GpuDevice;
beforeAll(async () => {
  ({ device } = await createNodeDevice());
});
afterAll(() => device.destroy());

const backends = [
  // 1e-7: state and readings pass through float32 arrays on their way out.
  { name: 'float64 references', make: () => new Engine(new ReferenceBackend()), tolerance: 1e-7 },
  // Ten steps of a few float32 roundings each, parameters of size 1 to 3.
  { name: 'adapter', make: () => new Engine(new GpuBackend(device)), tolerance: 5e-6 },
];

function close(got: ArrayLike<number>, want: readonly number[], tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.length);
  want.forEach((value, i) => {
    const error = Math.abs(got[i] - value) / Math.max(1, Math.abs(value));
    expect(error, `${what}[${i}]: ${got[i]} instead of ${value}`).toBeLessThanOrEqual(tolerance);
  });
}

function parameters(engine: Engine): NamedParameter[] {
  return Object.entries(fixtures.shapes).map(([name, shape]) => ({
    name,
    tensor: engine.tensor(fixtures.start[name], shape, { requiresGrad: true }),
  }));
}

function setGradients(engine: Engine, params: readonly NamedParameter[], gradients: Numbers): void {
  for (const { name, tensor } of params) tensor.grad = engine.tensor(gradients[name], tensor.shape);
}

function makeOptimizer(run: OptimizerRun, params: readonly NamedParameter[]): Optimizer {
  const groups = params.map((parameter) => ({ params: [parameter], ...run.groups[parameter.name] }));
  const options = { ...run.options, lr: run.lr };
  return new { adamw: AdamW, sgd: SGD, rmsprop: RMSprop }[run.optimizer](groups, options);
}

for (const { name, make, tolerance } of backends) {
  describe(`on ${name}`, () => {
    for (const run of fixtures.runs) {
      it(`ten steps of ${run.name} as torch takes them, through a saved state half way`, async () => {
        const engine = make();
        const params = parameters(engine);
        let optimizer = makeOptimizer(run, params);
        const guard = run.maxNorm === null ? undefined : new GradientGuard(params, { maxNorm: run.maxNorm });
        for (const [step, gradients] of fixtures.gradients.entries()) {
          if (step === 5) {
            const state = await optimizer.stateDict();
            optimizer.dispose();
            optimizer = makeOptimizer(run, params);
            optimizer.loadStateDict(state);
          }
          optimizer.lr = run.lr * 0.9 ** step;
          setGradients(engine, params, gradients);
          guard?.measure();
          optimizer.step(guard);
          if (guard) close([(await guard.read()).norm], [run.norms[step]], tolerance, `norm of step ${step}`);
          for (const { name: key, tensor } of params) {
            close(await tensor.data(), run.after[step][key], tolerance, `${key} after step ${step}`);
          }
          optimizer.zeroGrad();
        }
        const { step, tensors } = await optimizer.stateDict();
        expect(step).toBe(fixtures.gradients.length);
        for (const [key, want] of Object.entries(run.state)) close(tensors.get(key) ?? [], want, tolerance, key);
      });
    }

    it('a parameter whose first gradient comes late moves by lr, as torch.optim.AdamW; through a saved state and replays too', async () => {
      const engine = make();
      const leaf = (): Tensor => engine.tensor([1], [1], { requiresGrad: true });
      const params = { a: leaf(), b: leaf() };
      const named = Object.entries(params).map(([key, tensor]) => ({ name: key, tensor }));
      const optimizer = new AdamW(named, { lr: 0.01, weightDecay: 0 });
      const step = (...taught: Tensor[]) => {
        for (const tensor of taught) tensor.mul(0.5).sum().backward();
        optimizer.update();
        optimizer.zeroGrad();
      };
      const both = async () => [await params.a.item(), await params.b.item()];
      for (let k = 0; k < 4; k++) {
        optimizer.advance();
        step(params.a);
      }
      optimizer.advance();
      const alone = await Replay.capture(engine, () => step(params.a), { gradients: true });
      for (let k = 0; k < 3; k++) {
        optimizer.advance();
        alone.run();
      }
      const state = await optimizer.stateDict();
      expect([state.step, state.missed]).toEqual([8, new Map([['b', 8]])]);
      optimizer.loadStateDict(state);
      optimizer.advance();
      step(params.a, params.b);
      // torch: a constant gradient moves a parameter by lr in each step that it takes part in.
      close(await both(), [0.91, 0.99], tolerance, 'after step 9');
      optimizer.advance();
      alone.run();
      optimizer.advance();
      step(params.b);
      close(await both(), [0.9, 0.98], tolerance, 'after step 11');
      expect((await optimizer.stateDict()).missed).toEqual(
        new Map([
          ['a', 1],
          ['b', 9],
        ]),
      );
    });

    it('finds the bottom of a quadratic, and memory stays flat', async () => {
      const engine = make();
      const goal = engine.tensor([1, -2, 3, 0.5, -0.25]);
      const params = [{ name: 'x', tensor: engine.tensor([0, 0, 0, 0, 0], [5], { requiresGrad: true }) }];
      const optimizer = new AdamW(params, { lr: 0.2, weightDecay: 0 });
      const guard = new GradientGuard(params, { maxNorm: 10 });
      const ema = new EMA(params, { decay: 0.9 });
      const live: number[] = [];
      for (let step = 0; step < 250; step++) {
        optimizer.lr = 0.2 * 0.98 ** step;
        engine.scope(() => {
          const away = engine.apply(sub, [params[0].tensor, goal], {});
          const loss = engine.apply(sum, [engine.apply(unaryOps.square, [away], {})], {});
          loss.backward();
          guard.measure(loss);
          optimizer.step(guard);
          ema.step();
          optimizer.zeroGrad();
        });
        live.push(engine.backend.statistics().liveBytes);
      }
      close(await params[0].tensor.data(), [1, -2, 3, 0.5, -0.25], 1e-3, 'x');
      expect(new Set(live.slice(1)).size, `live bytes ${live.slice(0, 20)}`).toBe(1);
      const before = engine.backend.statistics().liveBuffers;
      optimizer.dispose();
      guard.dispose();
      ema.dispose();
      // State and open guard; guard, loss scale and slots; averages.
      expect(before - engine.backend.statistics().liveBuffers).toBe(6);
    });

    for (const [what, poison] of [
      ['NaN', Number.NaN],
      ['infinity', Number.NEGATIVE_INFINITY],
    ] as const) {
      it(`suppresses a step whose gradient or loss holds ${what}`, async () => {
        const engine = make();
        const params = parameters(engine);
        const guard = new GradientGuard(params, { maxNorm: 1 });
        const optimizer = new AdamW(params);
        const [weight] = params;
        const start = await weight.tensor.data();
        const gradients = { ...fixtures.gradients[0], bias: [1, 2, 3, 4, 5, 6, poison] };

        setGradients(engine, params, gradients);
        guard.measure();
        optimizer.step(guard);
        expect(await guard.read()).toEqual({ norm: Number.NaN, scale: 0, finite: false, suppressed: 1 });

        setGradients(engine, params, fixtures.gradients[0]);
        guard.measure(engine.tensor([poison], []));
        optimizer.step(guard);
        expect(await guard.read()).toMatchObject({ finite: false, suppressed: 2 });
        expect(await weight.tensor.data()).toEqual(start);
        for (const moments of (await optimizer.stateDict()).tensors.values()) {
          expect(moments.every((value) => value === 0)).toBe(true);
        }

        guard.measure(engine.tensor([123], []));
        optimizer.step(guard);
        const reading = await guard.read();
        expect(reading).toMatchObject({ finite: true, suppressed: 2 });
        const norm = Math.sqrt(
          Object.values(fixtures.gradients[0])
            .flat()
            .reduce((total, g) => total + g * g, 0),
        );
        close([reading.norm], [norm], tolerance, 'norm without the loss');
        expect(await weight.tensor.data()).not.toEqual(start);
      });
    }

    it('clips gradients in place; parameters without a gradient are passed over', async () => {
      const engine = make();
      const params = parameters(engine);
      const [weight, bias] = params;
      setGradients(engine, params, { weight: new Array(15).fill(2), bias: new Array(7).fill(1) });
      close([await clipGradNorm(params, 1)], [Math.sqrt(67)], tolerance, 'norm');
      // The offset 1e-6 in the divisor makes it a little shorter.
      close([await clipGradNorm(params, 100)], [1], 1e-6, 'norm afterwards');
      close(
        await (weight.tensor.grad as Tensor).data(),
        new Array(15).fill(2 / Math.sqrt(67)),
        1e-6,
        'weight gradient',
      );
      bias.tensor.grad = null;
      close([await clipGradNorm(params, 0)], [Math.sqrt(60 / 67)], 1e-6, 'norm of one');
      const start = await bias.tensor.data();
      new SGD(params, { lr: 1, momentum: 0.5, weightDecay: 0.1 }).step();
      expect(await bias.tensor.data()).toEqual(start);
    });

    it('averages weights, swaps them in for evaluation and back', async () => {
      const engine = make();
      const parameter = { name: 'x', tensor: engine.tensor([0, 0, 0], [3]) };
      const ema = new EMA([parameter], { decay: 0.75 });
      expect(() => ema.swap()).toThrow(/no average before/);
      let want = [0, 0, 0];
      for (let step = 0; step < 8; step++) {
        const x = [step + 1, -step, step * step];
        parameter.tensor.write(Float32Array.from(x));
        ema.step();
        const decay = step === 0 ? 0 : Math.min(0.75, 1 - (1 + step) ** (-2 / 3));
        want = want.map((average, i) => decay * average + (1 - decay) * x[i]);
      }
      expect([ema.decayAt(1), ema.decayAt(100)]).toEqual([1 - 2 ** (-2 / 3), 0.75]);
      close((await ema.stateDict()).tensors.get('x') ?? [], want, 1e-6, 'average');
      const inside = await ema.evaluate(() => {
        expect(() => ema.step()).toThrow(/swapped in/);
        return parameter.tensor.data();
      });
      close(inside, want, 1e-6, 'swapped in');
      expect([...(await parameter.tensor.data())]).toEqual([8, -7, 49]);
      await expect(ema.evaluate(() => Promise.reject(new Error('stopped')))).rejects.toThrow('stopped');
      expect([...(await parameter.tensor.data())]).toEqual([8, -7, 49]);

      const other = new EMA([parameter], { decay: 0.75 });
      other.loadStateDict(await ema.stateDict());
      expect(other.stepCount).toBe(8);
      other.swap();
      close(await parameter.tensor.data(), want, 1e-6, 'after loading');
    });
  });
}

it('a captured update, replayed with other learning rates, equals eager steps bitwise', async () => {
  const results: Numbers[] = [];
  for (const captured of [false, true]) {
    const engine = new Engine(new GpuBackend(device));
    const params = parameters(engine);
    setGradients(engine, params, fixtures.gradients[0]);
    const optimizer = new AdamW(params, { lr: 0.1, weightDecay: 0.1 });
    const guard = new GradientGuard(params, { maxNorm: 2 });
    const record = () => {
      guard.measure();
      optimizer.update(guard);
    };
    optimizer.advance();
    const step = captured ? device.capture(record) : null;
    if (!captured) record();
    for (let i = 0; i < 4; i++) {
      optimizer.lr /= 2;
      for (const { name, tensor } of params) tensor.grad?.write(Float32Array.from(fixtures.gradients[i + 1][name]));
      optimizer.advance();
      if (step) step.replay();
      else record();
    }
    results.push(
      Object.fromEntries(await Promise.all(params.map(async (p) => [p.name, [...(await p.tensor.data())]]))),
    );
    step?.dispose();
  }
  expect(results[1]).toEqual(results[0]);
});

describe('settings and states that make no sense are refused', () => {
  const engine = new Engine(new ReferenceBackend());
  const params = parameters(engine);

  it('duplicates, nothing, negative numbers', () => {
    expect(() => new AdamW([...params, params[0]])).toThrow(/weight \[3, 5\] is given twice/);
    expect(() => new AdamW([])).toThrow(/no parameters/);
    expect(() => new AdamW(params, { lr: -1 })).toThrow(/lr cannot be -1/);
    expect(() => new AdamW(params, { betas: [0.9, 1] })).toThrow(/a beta cannot be 1/);
    expect(() => new SGD(params, { nesterov: true })).toThrow(/nesterov needs/);
    expect(() => new EMA(params, { decay: 1 })).toThrow(/EMA decay cannot be 1/);
  });

  it('a state of another model; nothing is written then', async () => {
    const optimizer = new SGD(params);
    const good = new Float32Array(15).fill(1);
    const load = (entries: [string, Float32Array][]) => () =>
      optimizer.loadStateDict({ step: 1, tensors: new Map(entries) });
    expect(load([['weight.momentum_buffer', good]])).toThrow(/lacks 'bias.momentum_buffer'/);
    expect(load([['head.momentum_buffer', good]])).toThrow(/holds 'head.momentum_buffer'/);
    const wrong: [string, Float32Array][] = [
      ['weight.momentum_buffer', good],
      ['bias.momentum_buffer', good],
    ];
    expect(load(wrong)).toThrow(/has 15 numbers in the state, \[7\] here/);
    const text = load([wrong[0], ['bias.momentum_buffer', '7 signs' as never]]);
    expect(text).toThrow(/'bias.momentum_buffer' is '7 signs'; it is a Float32Array/);
    const { step, tensors } = await optimizer.stateDict();
    expect(step).toBe(0);
    expect(tensors.get('weight.momentum_buffer')?.every((value) => value === 0)).toBe(true);
  });

  it('no decay on biases and one-dimensional parameters', () => {
    const named = (name: string, shape: readonly number[]) => ({
      name,
      tensor: engine.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape),
    });
    const groups = noDecay([named('a.weight', [2, 2]), named('a.bias', [1, 2]), named('norm.weight', [2])], 0.05);
    expect(groups.map(({ params: list, weightDecay }) => [[...list].map(({ name }) => name), weightDecay])).toEqual([
      [['a.weight'], 0.05],
      [['a.bias', 'norm.weight'], 0],
    ]);
  });
});
