import { philox, uniformFromWord } from '../../../engine/tensor/random.ts';

/** Purposes of random numbers in the data pipeline: the same seed never gives two of them the same stream. */
export const STREAMS = {
  split: 1,
  shuffle: 2,
  augment: 3,
  classOrder: 4,
  folds: 5,
  list: 6,
  tile: 7,
  gumbel: 8,
  sample: 9,
} as const;

/**
 * A random stream addressed by (seed, stream, a, b), on Philox4x32-10. Two streams with different addresses are
 * independent, so the numbers an image is augmented with do not depend on which decoding finished first.
 */
export class KeyedRandom {
  readonly #key: readonly [number, number];
  readonly #a: number;
  readonly #b: number;
  #block = 0;
  #words: readonly number[] = [];

  /** `a` and `b` are any non-negative integers below 2^32 (for augmentation: epoch and index in the epoch). */
  constructor(seed: number, stream: number, a = 0, b = 0) {
    this.#key = [seed >>> 0, (Math.floor(seed / 2 ** 32) ^ Math.imul(stream, 0x9e3779b9)) >>> 0];
    this.#a = a >>> 0;
    this.#b = b >>> 0;
  }

  /** The next 32 random bits. */
  word(): number {
    const slot = this.#block & 3;
    if (slot === 0) this.#words = philox([this.#block >>> 2, this.#a, this.#b, 0x64617461], this.#key);
    this.#block++;
    return this.#words[slot];
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return uniformFromWord(this.word());
  }

  /** Uniform in [low, high). */
  range(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor((this.word() / 2 ** 32) * bound);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** A uniformly random order of 0 … count − 1 (Fisher-Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, index) => index);
    for (let last = count - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      const kept = order[last];
      order[last] = order[other];
      order[other] = kept;
    }
    return order;
  }
}
