/**
 * Device buffers, pooled by size class. A freed buffer may be handed out again at once: commands run in the order they were
 * recorded, so a later kernel cannot overtake an earlier one's reads. Host writes are the exception; see device.ts.
 */
import { type Content, renew } from './submits.ts';

/** A buffer of the device, and what its content rests on. */
export interface PooledBuffer extends Content {
  readonly id: number;
  readonly buffer: GPUBuffer;
  /** Bytes of the buffer itself: the size class, at least what was asked for. */
  readonly capacity: number;
}

/** Where buffers come from and go back to. */
export interface BufferSource {
  acquire(bytes: number, label: string): PooledBuffer;
  release(pooled: PooledBuffer): void;
  /** Keeps the buffer's memory, though it be released, until it was unpinned as often as pinned: a captured step is bound to it. */
  pin(pooled: PooledBuffer): void;
  unpin(pooled: PooledBuffer): void;
}

export interface PoolStatistics {
  /** Bytes of buffers now in use. */
  readonly liveBytes: number;
  /** Bytes held from the device: in use and waiting to be used again. */
  readonly allocatedBytes: number;
  /** The most that was in use at one time. */
  readonly peakLiveBytes: number;
  readonly liveBuffers: number;
  readonly allocatedBuffers: number;
}

/** The sum of several pools' statistics. */
export function addStatistics(parts: readonly PoolStatistics[]): PoolStatistics {
  const total = (key: keyof PoolStatistics): number => parts.reduce((sum, part) => sum + part[key], 0);
  return {
    liveBytes: total('liveBytes'),
    allocatedBytes: total('allocatedBytes'),
    peakLiveBytes: total('peakLiveBytes'),
    liveBuffers: total('liveBuffers'),
    allocatedBuffers: total('allocatedBuffers'),
  };
}

let lastBufferId = 0;

/** A new id, by which the keys of caches distinguish buffers. */
export function nextBufferId(): number {
  return ++lastBufferId;
}

/** Four classes per octave (at most 25 % waste), never under 256 bytes. */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const octave = 2 ** Math.floor(Math.log2(bytes));
  if (octave === bytes) return bytes;
  const step = octave / 4;
  return Math.ceil(bytes / step) * step;
}

/** Hands out device buffers by size class and takes them back; nothing is destroyed before `trim`. */
export class BufferPool implements BufferSource {
  readonly #create: (bytes: number, label: string) => GPUBuffer;
  readonly #onDestroy: () => void;
  readonly #free = new Map<number, PooledBuffer[]>();
  #held: PooledBuffer[] | null = null;
  readonly #pins = new Map<PooledBuffer, { count: number; released: boolean }>();
  #liveBytes = 0;
  #allocatedBytes = 0;
  #peakLiveBytes = 0;
  #liveBuffers = 0;
  #allocatedBuffers = 0;

  /** `create` makes a device buffer; `onDestroy` is called after pooled buffers were destroyed, for caches to drop them. */
  constructor(create: (bytes: number, label: string) => GPUBuffer, onDestroy: () => void) {
    this.#create = create;
    this.#onDestroy = onDestroy;
  }

  acquire(bytes: number, label: string): PooledBuffer {
    const capacity = sizeClass(bytes);
    let pooled = this.#free.get(capacity)?.pop();
    if (!pooled) {
      pooled = { id: nextBufferId(), buffer: this.#create(capacity, label), capacity, since: 0, until: 0, version: 0 };
      this.#allocatedBytes += capacity;
      this.#allocatedBuffers++;
    }
    // What its last user wrote is nothing to the next one.
    renew(pooled);
    this.#liveBytes += capacity;
    this.#liveBuffers++;
    this.#peakLiveBytes = Math.max(this.#peakLiveBytes, this.#liveBytes);
    return pooled;
  }

  release(pooled: PooledBuffer): void {
    if (this.#held) {
      this.#held.push(pooled);
      return;
    }
    const pin = this.#pins.get(pooled);
    if (pin) {
      pin.released = true;
      return;
    }
    const list = this.#free.get(pooled.capacity);
    if (list) list.push(pooled);
    else this.#free.set(pooled.capacity, [pooled]);
    this.#liveBytes -= pooled.capacity;
    this.#liveBuffers--;
  }

  pin(pooled: PooledBuffer): void {
    const pin = this.#pins.get(pooled);
    if (pin) pin.count++;
    else this.#pins.set(pooled, { count: 1, released: false });
  }

  unpin(pooled: PooledBuffer): void {
    const pin = this.#pins.get(pooled);
    if (!pin || --pin.count > 0) return;
    this.#pins.delete(pooled);
    if (pin.released) this.release(pooled);
  }

  /**
   * Runs `body` without reusing the buffers that are released meanwhile, which a capture of `body` may still read. Returns these
   * buffers, to be released when those that the capture is bound to are pinned.
   */
  holding(body: () => void): PooledBuffer[] {
    const held: PooledBuffer[] = [];
    this.#held = held;
    try {
      body();
    } catch (cause) {
      this.#held = null;
      for (const pooled of held) this.release(pooled);
      throw cause;
    } finally {
      this.#held = null;
    }
    return held;
  }

  /** Gives the unused buffers back to the device. */
  trim(): void {
    for (const list of this.#free.values()) {
      for (const pooled of list) {
        pooled.buffer.destroy();
        this.#allocatedBytes -= pooled.capacity;
        this.#allocatedBuffers--;
      }
    }
    this.#free.clear();
    this.#onDestroy();
  }

  statistics(): PoolStatistics {
    return {
      liveBytes: this.#liveBytes,
      allocatedBytes: this.#allocatedBytes,
      peakLiveBytes: this.#peakLiveBytes,
      liveBuffers: this.#liveBuffers,
      allocatedBuffers: this.#allocatedBuffers,
    };
  }

  /** Starts a new peak measurement. */
  resetPeak(): void {
    this.#peakLiveBytes = this.#liveBytes;
  }
}
