/** Tier: no adapter. Keyed random numbers. */
import { describe, expect, it } from 'vitest';
import { KeyedRandom, STREAMS } from './random.ts';

describe('KeyedRandom', () => {
  it('permutes evenly', () => {
    const first = new Uint32Array(5);
    for (let pass = 0; pass < 2000; pass++) first[new KeyedRandom(1, STREAMS.shuffle, pass).permutation(5)[0]]++;
    // 400 are expected, with a standard deviation of 18: the limit is five of them.
    for (const count of first) expect(Math.abs(count - 400)).toBeLessThan(90);
    expect([...new KeyedRandom(7, 1).permutation(6)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('takes seeds above 32 bits', () => {
    expect(new KeyedRandom(1, 1).word()).not.toBe(new KeyedRandom(1 + 2 ** 32, 1).word());
  });
});
