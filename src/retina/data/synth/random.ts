/**
 * A small seeded generator for the synthetic images. Each image gets its own, keyed by name, so that an image does not
 * depend on how many were drawn before it. (The engine's counter-based generator serves the GPU; this one is for plain
 * sequential drawing on the CPU.)
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param key anything that names the stream, such as `7/segmentation/train/3` */
  constructor(key: string) {
    this.#a = hash(key, 0x811c9dc5);
    this.#b = hash(key, 0x9e3779b9);
    this.#c = hash(key, 0x85ebca6b);
    // sfc32 needs about a dozen rounds before every state bit has reached the output.
    for (let round = 0; round < 15; round++) this.next();
  }

  /** Uniform in [0, 1): sfc32 (Doty-Humphrey, PractRand), 32 bits of it. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  }

  /** Uniform in [low, high). */
  range(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Uniform integer in [low, high], both ends included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Either -1 or 1. */
  sign(): number {
    return this.next() < 0.5 ? -1 : 1;
  }

  /** Standard normal (Box-Muller, one of the pair). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** Fisher-Yates, in place; returns the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
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
