/** Numbers the submits, learns which of them the GPU refused, and knows which buffers' content rests on those. */
import { GmtlError } from '../errors.ts';
import type { DeviceFailures } from './failures.ts';
import type { CompiledKernel } from './pipelines.ts';

/** What is known of the content of a buffer. */
export interface Content {
  /** The submits that it may rest on, first and last; both are 0 where the host wrote it, or nobody did. */
  since: number;
  until: number;
  /** Counts the times it was written, by commands and the host, or the buffer was handed out. */
  version: number;
}

/** The submits, first and last, that use a kernel of which it is not known yet whether it compiles. */
interface Doubt {
  readonly first: number;
  last: number;
}

/** Content that rests on no submit: the host wrote it, or nobody did yet. */
export function renew(content: Content): void {
  content.since = 0;
  content.until = 0;
  content.version++;
}

/**
 * A submit that the GPU refuses does nothing at all, so that what it should have written, and what is computed from that, is undefined. The refusal
 * is reported later than it happens: each buffer therefore keeps the range of submits that its content rests on, and counts as undefined if one
 * of them was refused: also one that lies between two others that it rests on, of which none was reported yet. That costs two comparisons for
 * each buffer of a recorded dispatch, and one error scope for each submit.
 */
export class Submits {
  readonly #device: GPUDevice;
  readonly #failures: DeviceFailures;
  /** Why submits were refused. */
  readonly #refused = new Map<number, GmtlError>();
  readonly #doubts = new Map<CompiledKernel, Doubt>();
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
          const refused = error && this.#refuse(submit, error);
          for (const [kernel, { last }] of this.#doubts) if (last <= submit) this.#doubts.delete(kernel);
          return refused;
        }),
      );
    }
  }

  /** Notes that a kernel is used from submit `first` to `last`; until it is known to compile, it may be why these are refused. */
  uses(kernel: CompiledKernel, first: number, last: number): void {
    if (kernel.failure === null) return;
    const doubt = this.#doubts.get(kernel);
    if (doubt) doubt.last = last;
    else this.#doubts.set(kernel, { first, last });
  }

  /** Notes the refusal at once; its reason may be reported a moment later. */
  async #refuse(submit: number, { message }: GPUError): Promise<void> {
    const kernels = [...this.#doubts].flatMap(([kernel, { first, last }]) =>
      submit >= first && submit <= last ? [kernel] : [],
    );
    this.#refused.set(submit, new GmtlError('gpu/failure', message));
    const failure = (): GmtlError | null | undefined => kernels.find((kernel) => kernel.failure)?.failure;
    this.#refused.set(submit, await this.#failures.refused(message, failure));
  }

  /** The first submit that what is recorded next may rest on, if it reads `contents`, all of which are defined as far as is known. */
  since(contents: readonly Content[]): number {
    let since = this.#next;
    for (const content of contents) {
      if (content.until > this.#reported && content.since < since) since = content.since;
    }
    // What was reported on was not refused, else the contents would be undefined.
    return Math.max(since, this.#reported + 1);
  }

  /** A buffer was written in submit `until`, by what rests on the submits from `since` on. */
  wrote(content: Content, since: number, until: number): void {
    content.since = Math.min(since, until);
    content.until = until;
    content.version++;
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
