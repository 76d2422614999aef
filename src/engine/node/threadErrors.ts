/** Errors on their way between threads, where classes do not travel. */
import { type ErrorCode, GmtlError } from '../errors.ts';

/** What survives of an error. */
export interface PackedError {
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly stack: string | undefined;
}

export function packError(error: unknown): PackedError {
  if (!(error instanceof Error)) return { code: null, message: String(error), stack: undefined };
  return { code: error instanceof GmtlError ? error.code : null, message: error.message, stack: error.stack };
}

export function errorOf({ code, message, stack }: PackedError): Error {
  const error = code === null ? new Error(message) : new GmtlError(code, message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
