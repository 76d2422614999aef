/** Collects what goes wrong on a device and turns it into errors with advice. */
import { GmtlError } from '../errors.ts';

const refusal = (message: string): GmtlError => new GmtlError('gpu/failure', `the GPU refused a command: ${message}`);

/** What a device reported. A lost device and memory that ran out are final; what it refused is told once to those who wait or are concerned. */
export class DeviceFailures {
  readonly #pending = new Set<Promise<void>>();
  #final: GmtlError | null = null;
  /** What was refused and not yet told. */
  #untold: GmtlError | null = null;
  /** Reports of kernels that may not compile. */
  readonly #explaining = new Set<Promise<void>>();
  #ended = false;

  constructor(device: GPUDevice) {
    device.lost.then((lost) => {
      if (this.#ended) return;
      this.#final ??= new GmtlError(
        'gpu/device-lost',
        `the GPU device was lost (${lost.reason}): ${lost.message || 'no reason given'}. The driver may have run out of memory or ` +
          'stopped a kernel that ran too long: lower the batch or image size, or continue from the last checkpoint',
      );
    });
    device.onuncapturederror = ({ error }) => {
      this.#untold ??= refusal(error.message);
    };
  }

  /** Whether the device can do nothing more. */
  get isFinal(): boolean {
    return this.#final !== null;
  }

  /** Waits for `pending` wherever reports are waited for. */
  await(pending: Promise<unknown>): void {
    // A report that fails belongs to a device that is lost, which reports that itself.
    const awaited: Promise<void> = pending.then(
      () => void this.#pending.delete(awaited),
      () => void this.#pending.delete(awaited),
    );
    this.#pending.add(awaited);
  }

  /** Records the final error that `pending` (an error scope, for one) resolves to, if any. */
  watch(pending: Promise<GmtlError | null>): void {
    this.await(
      pending.then((error) => {
        this.#final ??= error;
      }),
    );
  }

  /** Records that a kernel does not compile: what `pending` resolves to, if any. */
  explain(pending: Promise<GmtlError | null>): void {
    const explained = pending.then((error) => {
      this.#explaining.delete(explained);
      this.#untold ??= error;
    });
    this.#explaining.add(explained);
    this.await(explained);
  }

  /** The error of a submit that was refused with `message`, once it is known whether a kernel of it failed, which `failure` tells. */
  async refused(message: string, failure: () => GmtlError | null | undefined): Promise<GmtlError> {
    await Promise.all(this.#explaining);
    const reason = failure() ?? refusal(message);
    this.#untold = new GmtlError(
      reason.code,
      `${reason.message}\nWhat it was to compute, what follows from that, and what was changed before and after it until this was known, counts as ` +
        'undefined: compute it anew, or write() it. All else is as it was',
    );
    return this.#untold;
  }

  /** `error`, which is about to be thrown, so that `settle` need not. */
  told(error: GmtlError): GmtlError {
    this.#untold = null;
    return error;
  }

  /** Waits for every report that is under way; throws what is final. */
  async arrived(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    this.throwIfFinal();
  }

  /** As `arrived`, and throws what was refused and not told yet. */
  async settle(): Promise<void> {
    await this.arrived();
    if (this.#untold) throw this.told(this.#untold);
  }

  /** Throws what ended the device, before something new is recorded. */
  throwIfFinal(): void {
    if (this.#final) throw this.#final;
  }

  /** The device is being given back: losing it is not a failure. */
  end(): void {
    this.#ended = true;
  }
}
