/** The application's random streams: what each is for, and the generator that draws from them. */
import { philox, RandomBase, uniformFromWord } from '../engine/tensor/random.ts';

/** Purposes of random numbers: the same seed never gives two of them the same stream. */
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
 * independent, so the augmentation of an image does not depend on which decoding finished first.
 */
export class KeyedRandom extends RandomBase {
  readonly #key: readonly [number, number];
  readonly #a: number;
  readonly #b: number;
  #block = 0;
  #words: readonly number[] = [];

  /** `a` and `b` are any non-negative integers below 2^32 (for augmentation: epoch and index in the epoch). */
  constructor(seed: number, stream: number, a = 0, b = 0) {
    super();
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

  override uniform(): number {
    return uniformFromWord(this.word());
  }

  /** Uniform integer in [0, bound), from all 32 bits of a word. */
  override integer(bound: number): number {
    return Math.floor((this.word() / 2 ** 32) * bound);
  }
}
