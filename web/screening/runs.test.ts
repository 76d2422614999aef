/** Tier: no adapter. Masks survive their packing. */
import { expect, it } from 'vitest';
import { fromRuns, toRuns } from './runs.ts';

it.each([[[]], [[0]], [[1]], [[0, 0, 1, 1, 1, 0]], [[1, 0, 1, 0, 0, 1]], [[1, 1, 1]]])(
  'packs and unpacks %j',
  (mask) => {
    const bytes = Uint8Array.from(mask);
    expect([...fromRuns(toRuns(bytes), mask.length)]).toEqual(mask);
  },
);

it('packs a mask with two regions into five lengths', () => {
  const mask = new Uint8Array(1000).fill(1, 10, 20).fill(1, 500, 900);
  expect([...toRuns(mask)]).toEqual([10, 10, 480, 400, 100]);
});
