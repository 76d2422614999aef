/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * shaders/common/random.wgsl computes the same words, so a seed gives the same mask on every adapter and on the CPU.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle1 = aHigh * bLow + (low >>> 16);
  const middle2 = aLow * bHigh + (middle1 & 0xffff);
  return (aHigh * bHigh + Math.floor(middle1 / 65536) + Math.floor(middle2 / 65536)) >>> 0;
}

/** Writes the four 32-bit words at counter (`c0`, …, `c3`) under key (`k0`, `k1`) into `words`. */
function philoxInto(words: Uint32Array, c0: number, c1: number, c2: number, c3: number, k0: number, k1: number): void {
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0 >>> 0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2 >>> 0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/** The four 32-bit words at `counter` under `key`. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  const words = new Uint32Array(4);
  philoxInto(words, ...counter, ...key);
  return [words[0], words[1], words[2], words[3]];
}

/** A uniform number in [0, 1) with 24 random bits, exact in float32: what `randomUniform` of random.wgsl gives. */
export function uniformFromWord(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/** The uniform number of element `index` in stream `stream` under `seed`; each Philox block serves four elements. */
export function uniformAt(seed: number, stream: number, index: number): number {
  const words = philox([index >>> 2, 0, stream >>> 0, 0], [seed >>> 0, 0x67_6d_74_6c]);
  return uniformFromWord(words[index & 3]);
}

/** The draws that every generator makes from its uniform numbers; a subclass supplies those. */
export abstract class RandomBase {
  /** Uniform in [0, 1). */
  abstract uniform(): number;

  /** Uniform in [low, high). */
  range(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** Standard normal (Box-Muller, one of the pair). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Puts the items into a uniformly random order, in place (Fisher-Yates). */
  shuffle<T extends { readonly length: number; [index: number]: unknown }>(items: T): T {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      [items[last], items[other]] = [items[other], items[last]];
    }
    return items;
  }

  /** A uniformly random order of 0 … count − 1. */
  permutation(count: number): Uint32Array {
    return this.shuffle(Uint32Array.from({ length: count }, (_, index) => index));
  }
}

/** A sequential generator on Philox: initialization, shuffles. `state()` is its whole state. */
export class Generator extends RandomBase {
  readonly seed: number;
  #position: number;
  /** Words of the block of four that holds the position, once drawn from. */
  readonly #words = new Uint32Array(4);
  #block = -1;

  constructor(seed: number, position = 0) {
    super();
    this.seed = seed >>> 0;
    this.#position = position;
  }

  state(): { seed: number; position: number } {
    return { seed: this.seed, position: this.#position };
  }

  override uniform(): number {
    const position = this.#position++;
    const block = Math.floor(position / 4);
    if (block !== this.#block) {
      philoxInto(this.#words, block >>> 0, Math.floor(block / 2 ** 32), 0xffff_ffff, 0, this.seed, 0x67_6d_74_6c);
      this.#block = block;
    }
    return uniformFromWord(this.#words[position % 4]);
  }
}
