/** Tier: no adapter. Probabilities and labels of ordinal grades (CORN). */
import { describe, expect, it } from 'vitest';
import { cornLabel, cornProbabilities } from './corn.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('cornProbabilities', () => {
  it('are differences of the cumulative products', () => {
    const logits = [1.2, -0.4, 2, -3];
    let cumulative = 1;
    const above = logits.map((logit) => {
      cumulative *= sigmoid(logit);
      return cumulative;
    });
    const expected = [1 - above[0], above[0] - above[1], above[1] - above[2], above[2] - above[3], above[3]];
    const got = cornProbabilities(logits);
    expect(got.length).toBe(5);
    expected.forEach((value, k) => {
      expect(got[k]).toBeCloseTo(value, 14);
    });
    expect(got.reduce((a, b) => a + b)).toBeCloseTo(1, 14);
  });

  it('stay probabilities where the logits are far out', () => {
    expect([...cornProbabilities([1000, -1000])]).toEqual([0, 1, 0]);
    expect([...cornProbabilities([-1000, 1000])]).toEqual([1, 0, 0]);
    expect([...cornProbabilities([1000, 1000])]).toEqual([0, 0, 1]);
  });

  it('refuse an empty row', () => {
    expect(() => cornProbabilities([])).toThrow(/two grades/);
  });
});

describe('cornLabel', () => {
  it('is the median grade, which may differ from the most probable one', () => {
    // P(y > k) = 0.6, 0.54, 0.45: the median is 2; the probabilities are 0.4, 0.06, 0.09, 0.45.
    const logit = (p: number): number => Math.log(p / (1 - p));
    const logits = [logit(0.6), logit(0.9), logit(0.45 / 0.54)];
    expect(cornLabel(logits)).toBe(2);
    const probabilities = cornProbabilities(logits);
    expect(probabilities.indexOf(Math.max(...probabilities))).toBe(3);
  });

  it.each([
    [[-5, 5, 5], 0],
    [[5, -5, 5], 1],
    [[5, 5, 5], 3],
  ])('of %j is %i', (logits, label) => {
    expect(cornLabel(logits)).toBe(label);
  });
});
