/** A plan of products being put together. */
import type { BufferReference, Dispatch } from '../../gpu/kernel.ts';

/** A plan being put together. */
export interface Draft {
  readonly dispatches: Dispatch[];
  /** Bytes of each scratch buffer. */
  readonly scratch: number[];
}

/** A new scratch buffer. */
export function scratchOf(draft: Draft, bytes: number): BufferReference {
  draft.scratch.push(bytes);
  return `tmp${draft.scratch.length - 1}`;
}
