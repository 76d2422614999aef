/**
 * An error whose message is meant for the user: it says what was wrong, where (file, row, op, shape) and what to do.
 * `code` is a short stable identifier such as `metrics/bad-label` that callers and tests can match on.
 */
export class GmtlError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GmtlError';
    this.code = code;
  }
}
