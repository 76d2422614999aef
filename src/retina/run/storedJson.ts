/** Reads what a JSON file of a run holds against its schema: damage is said in one line that names the place and what to do. */
import { z } from 'zod';
import { type ErrorCode, GmtlError } from '../../engine/errors.ts';

/** What to say of a damaged file. */
export interface Damaged {
  readonly path: string;
  /** Code of the error. */
  readonly code: ErrorCode;
  /** What to do, as a sentence. */
  readonly remedy: string;
}

/** The content of a stored file. @throws GmtlError with `code` for text that is not JSON, or not what the schema says. */
export function parseStored<T>(schema: z.ZodType<T>, text: string, { path, code, remedy }: Damaged): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.ZodError)) throw cause;
    const damage = cause instanceof SyntaxError ? cause.message : problemsOf(cause);
    throw new GmtlError(code, `${path}: damaged (${damage}). ${remedy}`, { cause });
  }
}

/** What is wrong with the entries of a stored file, in one line, each with its place. */
export function problemsOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`).join('; ');
}
