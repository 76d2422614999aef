/** Reads how long dispatches took from timestamp queries. */
import { BUFFER_USAGE, MAP_MODE_READ } from './flags.ts';

/** GPU time of one dispatch, from timestamp queries. */
export interface DispatchTime {
  readonly label: string;
  readonly nanoseconds: number;
  /** Nanoseconds on the device's clock at which it began. */
  readonly start: number;
}

/** Most pairs of timestamps in one query set (WebGPU allows 4096 queries). */
const MOST_TIMED = 2048;

/** Pairs of timestamps around passes, resolved and read back after their submit. */
export class TimestampLog {
  readonly #device: GPUDevice;
  readonly #querySet: GPUQuerySet;
  #labels: string[] = [];
  readonly #times: Promise<DispatchTime[]>[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#querySet = device.createQuerySet({ label: 'profile', type: 'timestamp', count: 2 * MOST_TIMED });
  }

  /** Whether the passes timed so far must be resolved and submitted before the next. */
  get full(): boolean {
    return this.#labels.length >= MOST_TIMED;
  }

  /** The timestamp writes for the descriptor of the next pass. */
  next(label: string): GPUComputePassTimestampWrites {
    const at = 2 * this.#labels.length;
    this.#labels.push(label);
    return { querySet: this.#querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** Appends the readback to `encoder`; call what it returns after the submit. */
  resolve(encoder: GPUCommandEncoder): (() => void) | null {
    const labels = this.#labels;
    if (labels.length === 0) return null;
    this.#labels = [];
    const size = labels.length * 16;
    const resolved = this.#device.createBuffer({ size, usage: BUFFER_USAGE.QUERY_RESOLVE | BUFFER_USAGE.COPY_SRC });
    const readable = this.#device.createBuffer({ size, usage: BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST });
    encoder.resolveQuerySet(this.#querySet, 0, labels.length * 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
    return () => {
      this.#times.push(
        readable.mapAsync(MAP_MODE_READ).then(() => {
          const stamps = new BigUint64Array(readable.getMappedRange().slice(0));
          readable.unmap();
          readable.destroy();
          resolved.destroy();
          return labels.map((label, index) => ({
            label,
            nanoseconds: Number(stamps[2 * index + 1] - stamps[2 * index]),
            start: Number(stamps[2 * index]),
          }));
        }),
      );
    };
  }

  /** All times since the start, in order. Ends the log. */
  async finish(): Promise<DispatchTime[]> {
    const times = (await Promise.all(this.#times)).flat();
    this.#querySet.destroy();
    return times;
  }
}
