/** The generator that synthetic images are drawn with. */
import { RandomBase } from '../../../engine/tensor/random.ts';

/**
 * sfc32 (Doty-Humphrey, PractRand), seeded by a name. Each image has a generator of its own, so that it does not depend on how many were
 * drawn before it. A number takes 10 ns, one of Philox 30 to 50: the sensor's grain draws three for every pixel.
 */
export class SeededRandom extends RandomBase {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param key anything that names the stream, such as `7/segmentation/train/3` */
  constructor(key: string) {
    super();
    this.#a = hash(key, 0x811c9dc5);
    this.#b = hash(key, 0x9e3779b9);
    this.#c = hash(key, 0x85ebca6b);
    // sfc32 needs about a dozen rounds before every state bit has reached the output.
    for (let round = 0; round < 15; round++) this.uniform();
  }

  /** Uniform in [0, 1), with 32 random bits. */
  override uniform(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  }

  /** Uniform integer in [low, high], both ends included. */
  between(low: number, high: number): number {
    return low + this.integer(high - low + 1);
  }

  /** Either -1 or 1. */
  sign(): number {
    return this.uniform() < 0.5 ? -1 : 1;
  }
}

/** FNV-1a with a caller-chosen basis, then Murmur3's finaliser (FNV alone mixes the last characters poorly). */
function hash(text: string, basis: number): number {
  let state = basis | 0;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
