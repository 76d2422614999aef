/** Collects what goes wrong on a device and turns it into errors with advice. */
import { GmtlError } from '../errors.ts';

/** What a device reported: the first failure counts, and reports that are still on their way are waited for. */
export class DeviceFailures {
  readonly #pending = new Set<Promise<GmtlError | null>>();
  #first: GmtlError | null = null;
  /** Whether waiting for the device has thrown it. */
  #told = false;
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

  /**
   * Waits for every report that is under way, then throws the first failure. A command that the GPU refused fails those who wait for it, not
   * what comes after: it is forgotten once it was thrown and the next command is recorded. A lost device and memory that ran out stay.
   */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all([...this.#pending]);
    if (!this.#first) return;
    this.#told = true;
    throw this.#first;
  }

  /** As `throwIfAny`, before something new is recorded. */
  begin(): void {
    if (this.#told && this.#first?.code === 'gpu/failure') {
      this.#first = null;
      this.#told = false;
    }
    if (this.#first) throw this.#first;
  }

  /** The device is being given back: losing it is not a failure. */
  end(): void {
    this.#ended = true;
  }
}
