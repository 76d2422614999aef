/** A share of counted cases with its interval. */

/** `count` of `of` cases. The share and the ends of its 95 % interval; all three are NaN without cases. */
export interface Proportion {
  readonly count: number;
  readonly of: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The standard normal distribution's 97.5 % point. */
const Z = 1.959963984540054;

/**
 * A share with Wilson's score interval (Wilson, Journal of the American Statistical Association 22, 1927): the p for which
 * |share − p| ≤ z·√(p(1 − p)/n), that is (share + z²/2n ± z·√(share(1 − share)/n + z²/4n²)) / (1 + z²/n). It holds its 95 % for
 * few cases and for shares near 0 and 1 too, where the bootstrap and ± z·√(share(1 − share)/n) shrink to nothing.
 */
export function proportion(count: number, of: number): Proportion {
  if (of === 0) return { count, of, value: Number.NaN, low: Number.NaN, high: Number.NaN };
  const value = count / of;
  const center = value + Z ** 2 / (2 * of);
  const half = Z * Math.sqrt((value * (1 - value)) / of + Z ** 2 / (4 * of ** 2));
  const scale = 1 + Z ** 2 / of;
  // At shares of 0 and 1 the end is exactly that, rounding apart.
  const low = count === 0 ? 0 : (center - half) / scale;
  const high = count === of ? 1 : (center + half) / scale;
  return { count, of, value, low, high };
}
