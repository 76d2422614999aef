/** Tier: no adapter. What PCGrad does with the programs: the projection of one set of gradients off another, all on the backend. */
import { expect, it } from 'vitest';
import { Engine } from '../../autograd/engine.ts';
import { ReferenceBackend } from '../referenceBackend.ts';
import { slotsFor } from './layout.ts';
import { axpyProgram, dotsProgram, dotTotalsProgram } from './products.ts';

const SHAPES = [[3, 5], [700], []] as const;

it('projects conflicting gradients of several parameters onto the plane that the other is normal to', async () => {
  const engine = new Engine(new ReferenceBackend());
  const sizes = SHAPES.map((shape) => shape.reduce((a, b) => a * b, 1));
  const numbers = (seed: number) =>
    sizes.map((size) => Float64Array.from({ length: size }, (_, i) => Math.sin(seed + i)));
  const first = numbers(1);
  // Mostly against the first, with a part of its own.
  const second = numbers(2).map((own, k) => own.map((value, i) => value - 2 * first[k][i]));
  const g1 = first.map((data, k) => engine.tensor(data, SHAPES[k]));
  const g2 = second.map((data, k) => engine.tensor(data, SHAPES[k]));
  const counts = sizes.map(slotsFor);
  expect(counts).toEqual([1, 2, 1]);
  const slots = engine.tensor(new Float32Array(4 * 4), [4, 4]);

  const totals = () => {
    let slot = 0;
    g1.forEach((gradient, k) => {
      engine.run(dotsProgram, [gradient, g2[k], slots], { first: slot });
      slot += counts[k];
    });
    return engine.run(dotTotalsProgram, [slots], { count: slot })[0];
  };
  const sumOf = (a: readonly Float64Array[], b: readonly Float64Array[]): number =>
    a.reduce((sum, data, k) => sum + data.reduce((own, value, i) => own + value * b[k][i], 0), 0);

  const before = totals();
  const [product, , norm] = await before.data();
  expect(product).toBeCloseTo(sumOf(first, second), 2);
  expect(norm).toBeCloseTo(sumOf(second, second), 2);
  expect(product).toBeLessThan(0);

  // alpha = relu(-g1·g2) / g2·g2: nothing where they agree.
  const alpha = before
    .slice(0, 0, 1)
    .neg()
    .relu()
    .div(before.slice(0, 2, 3));
  for (const [k, gradient] of g1.entries()) engine.run(axpyProgram, [gradient, g2[k], alpha], {});
  expect(Math.abs((await totals().data())[0])).toBeLessThan(1e-4 * norm);
  const [moved] = await g1[2].data();
  expect(moved).toBeCloseTo(first[2][0] - (product / norm) * second[2][0], 5);
});
