/** Errors as plain data, so that they can leave a worker. */
import { GmtlError, isOutOfMemory } from '../../src/engine/errors.ts';

export interface Failure {
  /** The code of a `GmtlError`; `web/memory` where JavaScript's own memory ended; `unexpected` for a fault in gmtl. */
  readonly code: string;
  readonly message: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof GmtlError) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  if (isOutOfMemory(error)) return { code: 'web/memory', message };
  return { code: 'unexpected', message: `${message} (this is a fault in gmtl, please report it)` };
}

/** Whether a new worker, with a new device and empty memory, may do what this one could not. */
export function isMendable(code: string): boolean {
  return ['gpu/device-lost', 'gpu/out-of-memory', 'web/memory'].includes(code);
}
