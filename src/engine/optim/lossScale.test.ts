/** Tier: any adapter. Dynamic loss scaling, on the float64 references and on the adapter that GMTL_ADAPTER names (else the best there is). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { GpuDevice } from '../gpu/device.ts';
import { createNodeDevice } from '../node/createDevice.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { GradientGuard, type LossScaling } from './gradientGuard.ts';
import { SGD } from './sgd.ts';

let device: GpuDevice;
beforeAll(async () => {
  ({ device } = await createNodeDevice());
});
afterAll(() => device.destroy());

const START = [0.5, -1, 2] as const;

interface Loop {
  readonly weight: Tensor;
  readonly guard: GradientGuard;
  /** One SGD step on sum(weight^2) times `factor`, from the guard's seed. */
  readonly step: (factor?: number) => void;
}

function loop(engine: Engine, lossScaling: LossScaling | null, maxNorm = 0): Loop {
  const weight = engine.tensor(Float32Array.from(START), [3], { requiresGrad: true });
  const params = [{ name: 'weight', tensor: weight }];
  const optimizer = new SGD(params, { lr: 0.125 });
  const guard = new GradientGuard(params, { maxNorm, lossScaling });
  return {
    weight,
    guard,
    step: (factor = 1) =>
      engine.scope(() => {
        const loss = weight.square().sum().mul(factor);
        loss.backward(guard.seed(loss));
        guard.measure(loss);
        optimizer.step(guard);
        optimizer.zeroGrad();
      }),
  };
}

for (const { name, make } of [
  { name: 'float64 references', make: () => new Engine(new ReferenceBackend()) },
  { name: 'adapter', make: () => new Engine(new GpuBackend(device)) },
]) {
  describe(`loss scaling on the ${name}`, () => {
    it('leaves the steps as they are: a power of two comes off exactly', async () => {
      const results = [];
      for (const scaling of [null, { initial: 1024, growthInterval: 2 }]) {
        const { weight, guard, step } = loop(make(), scaling, 1);
        for (let i = 0; i < 5; i++) step();
        results.push([[...(await weight.data())], (await guard.read()).norm]);
      }
      expect(results[1]).toEqual(results[0]);
    });

    it('doubles after so many finite steps, and again', async () => {
      const { guard, step } = loop(make(), { initial: 8, growthInterval: 3 });
      const scales = [];
      for (let i = 0; i < 7; i++) {
        step();
        scales.push((await guard.readLossScale()).scale);
      }
      expect(scales).toEqual([8, 8, 16, 16, 16, 32, 32]);
    });

    it('halves where a gradient is not finite, changes no weight then, and goes on', async () => {
      const { weight, guard, step } = loop(make(), { initial: 1024, growthInterval: 4 });
      step(Number.POSITIVE_INFINITY);
      step(Number.POSITIVE_INFINITY);
      expect(await guard.readLossScale()).toEqual({ scale: 256, finiteSteps: 0, suppressedInARow: 2 });
      expect([...(await weight.data())]).toEqual([...START]);
      expect(await guard.read()).toMatchObject({ finite: false, suppressed: 2 });
      step();
      expect(await guard.readLossScale()).toEqual({ scale: 256, finiteSteps: 1, suppressedInARow: 0 });
      expect([...(await weight.data())]).toEqual(START.map((value) => 0.75 * value));
      expect(await guard.read()).toMatchObject({ finite: true, suppressed: 2 });
    });

    it('goes on from a stored state as if it had never stopped', async () => {
      const whole = loop(make(), { initial: 64, growthInterval: 3 });
      for (const factor of [1, Number.POSITIVE_INFINITY, 1, 1, 1, 1]) whole.step(factor);
      const first = loop(make(), { initial: 64, growthInterval: 3 });
      for (const factor of [1, Number.POSITIVE_INFINITY, 1]) first.step(factor);
      const second = loop(make(), { initial: 64, growthInterval: 3 });
      second.weight.write(Float32Array.from(await first.weight.data()));
      second.guard.restoreLossScale(await first.guard.readLossScale());
      for (let i = 0; i < 3; i++) second.step();
      expect(await second.guard.readLossScale()).toEqual(await whole.guard.readLossScale());
      expect([...(await second.weight.data())]).toEqual([...(await whole.weight.data())]);
      expect((await whole.guard.readLossScale()).scale).toBe(64);
    });
  });
}

it('settings that make no sense are refused', () => {
  const engine = new Engine(new ReferenceBackend());
  const params = [{ name: 'weight', tensor: engine.tensor([1], [1], { requiresGrad: true }) }];
  const make = (initial: number, growthInterval: number) => () =>
    new GradientGuard(params, { lossScaling: { initial, growthInterval } });
  expect(make(0, 10)).toThrow(/lossScaling.initial/);
  expect(make(2 ** 25, 10)).toThrow(/lossScaling.initial/);
  expect(make(64, 0)).toThrow(/lossScaling.growthInterval/);
});
