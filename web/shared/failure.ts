/** Errors as plain data, so that they can leave a worker. */
import { GmtlError } from '../../src/engine/errors.ts';

export interface Failure {
  /** The code of a `GmtlError`; `unexpected` for a fault in gmtl. */
  readonly code: string;
  readonly message: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof GmtlError) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'unexpected', message: `${message} (this is a fault in gmtl, please report it)` };
}
