/** Collects what goes wrong on a device and turns it into errors with advice. */
import { GmtlError } from '../errors.ts';

/** What a device reported: the first failure counts, and reports that are still on their way are waited for. */
export class DeviceFailures {
  readonly #pending = new Set<Promise<GmtlError | null>>();
  #first: GmtlError | null = null;
  #isVague = false;
  #ended = false;

  constructor(device: GPUDevice) {
    device.lost.then((lost) => {
      if (this.#ended) return;
      this.#first ??= new GmtlError(
        'gpu/device-lost',
        `the GPU device was lost (${lost.reason}): ${lost.message || 'no reason given'}. The driver may have run out of memory or ` +
          'stopped a kernel that ran too long: lower the batch or image size, or continue from the last checkpoint',
      );
    });
    device.onuncapturederror = (event) => {
      if (this.#first) return;
      // A kernel that did not compile is reported here first, as an invalid object; its own error follows and says why.
      this.#first = new GmtlError('gpu/failure', `the GPU refused a command: ${event.error.message}`);
      this.#isVague = true;
    };
  }

  get any(): boolean {
    return this.#first !== null;
  }

  /** Throws the first failure (shader, validation, out of memory, lost). */
  throwIfAny(): void {
    if (this.#first) throw this.#first;
  }

  /** Records the error that `pending` (an error scope, for one) resolves to, if any. */
  watch(pending: Promise<GmtlError | null>): void {
    const watched = pending.then((error) => {
      this.#pending.delete(watched);
      if (error && (!this.#first || this.#isVague)) {
        this.#first = error;
        this.#isVague = false;
      }
      return error;
    });
    this.#pending.add(watched);
  }

  /** Waits for every report that is under way, then throws the first failure. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all([...this.#pending]);
    this.throwIfAny();
  }

  /** The device is being given back: losing it is not a failure. */
  end(): void {
    this.#ended = true;
  }
}
