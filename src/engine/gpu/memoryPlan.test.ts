/** Tier: no adapter. Which buffers share memory, and that overlapping lifetimes never do. */
import { describe, expect, it } from 'vitest';
import { type Lifetime, planMemory } from './memoryPlan.ts';

function overlaps(a: Lifetime, b: Lifetime): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function check(lifetimes: readonly Lifetime[]): number {
  const { slotOf, slotBytes } = planMemory(lifetimes);
  expect(slotOf).toHaveLength(lifetimes.length);
  lifetimes.forEach((one, i) => {
    expect(slotBytes[slotOf[i]]).toBeGreaterThanOrEqual(one.bytes);
    lifetimes.forEach((other, j) => {
      if (i < j && slotOf[i] === slotOf[j]) expect(overlaps(one, other), `${i} and ${j} share a slot`).toBe(false);
    });
  });
  return slotBytes.reduce((sum, bytes) => sum + bytes, 0);
}

describe('planMemory', () => {
  it('lets a chain of equal buffers do with two slots', () => {
    const chain = Array.from({ length: 20 }, (_, i) => ({ bytes: 64, first: i, last: i + 1 }));
    expect(check(chain)).toBe(128);
  });

  it('gives buffers that meet at one dispatch memory of their own', () => {
    expect(
      check([
        { bytes: 8, first: 0, last: 3 },
        { bytes: 8, first: 3, last: 5 },
      ]),
    ).toBe(16);
  });

  it('puts small buffers into the gaps of large ones', () => {
    expect(
      check([
        { bytes: 100, first: 0, last: 2 },
        { bytes: 100, first: 8, last: 9 },
        { bytes: 10, first: 4, last: 6 },
      ]),
    ).toBe(100);
  });

  it('never lets living buffers share, whatever the lifetimes', () => {
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let turn = 0; turn < 20; turn++) {
      const lifetimes = Array.from({ length: 60 }, () => {
        const first = random(80);
        return { bytes: 16 * (1 + random(50)), first, last: first + random(12) };
      });
      const total = check(lifetimes);
      const alive = Array.from({ length: 100 }, (_, at) =>
        lifetimes.reduce((sum, { bytes, first, last }) => (first <= at && at <= last ? sum + bytes : sum), 0),
      );
      expect(total).toBeGreaterThanOrEqual(Math.max(...alive));
      expect(total).toBeLessThan(2 * Math.max(...alive));
    }
  });

  it('plans nothing for nothing', () => {
    expect(planMemory([])).toEqual({ slotOf: [], slotBytes: [] });
  });
});
