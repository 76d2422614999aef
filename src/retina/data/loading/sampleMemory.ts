/** Keeps prepared samples in memory. */
import type { Sample } from '../pictures/sample.ts';

/** Preprocessed samples in memory, up to a number of bytes; the least recently used leave first. */
export class SampleMemory {
  readonly limitBytes: number;
  /** Insertion order is order of use. */
  readonly #samples = new Map<string, Sample>();
  readonly #pending = new Map<string, Promise<Sample>>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The sample under a key, made by `make` when it is not held. Callers that ask at the same time share one making. */
  async get(key: string, make: () => Promise<Sample>): Promise<Sample> {
    const held = this.#samples.get(key);
    if (held !== undefined) {
      this.#samples.delete(key);
      this.#samples.set(key, held);
      return held;
    }
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const making = make();
    this.#pending.set(key, making);
    try {
      const sample = await making;
      this.#keep(key, sample);
      return sample;
    } finally {
      this.#pending.delete(key);
    }
  }

  #keep(key: string, sample: Sample): void {
    const size = sampleBytes(sample);
    if (size > this.limitBytes) return;
    this.#samples.set(key, sample);
    this.#bytes += size;
    for (const [oldest, old] of this.#samples) {
      if (this.#bytes <= this.limitBytes) break;
      this.#samples.delete(oldest);
      this.#bytes -= sampleBytes(old);
    }
  }
}

function sampleBytes(sample: Sample): number {
  return sample.image.byteLength + (sample.maskBits?.byteLength ?? 0);
}
