/** Tier: no adapter. Ops of the registry that no model uses can be called too. */
import { afterAll, expect, it } from 'vitest';
import { Engine } from '../autograd/engine.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import * as F from './functional.ts';

const engine = new Engine(new ReferenceBackend());
afterAll(() => engine.backend.destroy());

it('max takes the largest along axes and sends the gradient there', async () => {
  const x = engine.tensor([1, 5, 2, 8, 3, 8], [2, 3], { requiresGrad: true });
  const largest = x.max([1]);
  expect([...(await largest.data())]).toEqual([5, 8]);
  largest.sum().backward();
  expect([...(await x.grad!.data())]).toEqual([0, 1, 0, 0.5, 0, 0.5]);
});

it('cast cuts fractions off and leaves the graph', async () => {
  const whole = engine.tensor([-1.7, 0.2, 2.9], [3], { requiresGrad: true }).cast('i32');
  expect(await whole.data()).toEqual(Int32Array.of(-1, 0, 2));
  expect(whole.requiresGrad).toBe(false);
});

it('pad puts a border of the value around', async () => {
  const padded = F.pad(engine.tensor([1, 2], [1, 2]), { before: [1, 0], after: [0, 1], value: 9 });
  expect(padded.shape).toEqual([2, 3]);
  expect([...(await padded.data())]).toEqual([9, 9, 9, 1, 2, 9]);
});

it('geluTanh is near gelu, and not it', async () => {
  const x = engine.tensor([-1, 2]);
  const [exact, approximate] = [await x.gelu().data(), await x.geluTanh().data()];
  approximate.forEach((value, i) => {
    expect(value).toBeCloseTo(exact[i], 2);
    expect(value).not.toBe(exact[i]);
  });
});

it('layerScale multiplies the last axis', async () => {
  const scaled = F.layerScale(engine.tensor([1, 2, 3, 4], [2, 2]), engine.tensor([10, 0.5]));
  expect([...(await scaled.data())]).toEqual([10, 1, 30, 2]);
});
