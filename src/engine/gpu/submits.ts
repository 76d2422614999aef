/** Numbers the submits, learns which of them the GPU refused, and knows which buffers' content rests on those. */
import { GmtlError } from '../errors.ts';
import type { DeviceFailures } from './failures.ts';

/** The submits that the content of a buffer may rest on, first and last; both are 0 where nothing was written. */
export interface Content {
  since: number;
  until: number;
}

/**
 * A submit that the GPU refuses does nothing at all, so that what it should have written, and what is computed from that, is undefined. The refusal
 * is reported later than it happens: each buffer therefore keeps the range of submits that its content rests on, and it is undefined if one
 * of them was refused. That costs two comparisons for each buffer of a recorded dispatch, and one error scope for each submit.
 */
export class Submits {
  readonly #device: GPUDevice;
  readonly #failures: DeviceFailures;
  /** Why submits were refused. */
  readonly #refused = new Map<number, GmtlError>();
  #next = 1;
  /** All submits up to this one were reported on. */
  #reported = 0;

  constructor(device: GPUDevice, failures: DeviceFailures) {
    this.#device = device;
    this.#failures = failures;
  }

  /** The number of the submit that is being recorded. */
  get next(): number {
    return this.#next;
  }

  /** Does `work`, which hands something to the queue, as the next submit. */
  submit(work: () => void): void {
    const submit = this.#next++;
    this.#device.pushErrorScope('validation');
    try {
      work();
    } finally {
      this.#failures.await(
        this.#device.popErrorScope().then((error) => {
          this.#reported = submit;
          return error && this.#refuse(submit, error);
        }),
      );
    }
  }

  /** Notes the refusal at once; its reason may be reported a moment later. */
  async #refuse(submit: number, { message }: GPUError): Promise<void> {
    this.#refused.set(submit, new GmtlError('gpu/failure', message));
    this.#refused.set(submit, await this.#failures.refused(message));
  }

  /** The first submit that what is recorded next may rest on, if it reads `contents`. */
  since(contents: readonly Content[]): number {
    let since = this.#next;
    for (const content of contents) {
      if (content.until > this.#reported && content.since < since) since = content.since;
    }
    return since;
  }

  /** A buffer was written by what rests on the submits from `since` on. */
  wrote(content: Content, since: number): void {
    content.since = since;
    content.until = this.#next;
  }

  /** Throws why the content of one of them is undefined, where it is. */
  requireDefined(contents: readonly Content[]): void {
    if (this.#refused.size === 0) return;
    for (const { since, until } of contents) {
      for (const [submit, error] of this.#refused) {
        if (submit >= since && submit <= until) throw this.#failures.told(error);
      }
    }
  }

  /** Why a submit was refused, if it was. */
  refusal(submit: number): GmtlError | undefined {
    return this.#refused.get(submit);
  }
}
