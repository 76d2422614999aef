/** The one error class of the package, for what its user can mend. */

/** The part of the package that an error comes from. */
export type ErrorArea =
  | 'adapter'
  | 'autograd'
  | 'bench'
  | 'checkpoint'
  | 'cli'
  | 'config'
  | 'data'
  | 'gpu'
  | 'infer'
  | 'init'
  | 'io'
  | 'log'
  | 'metrics'
  | 'model'
  | 'nn'
  | 'ops'
  | 'optim'
  | 'report'
  | 'run'
  | 'safetensors'
  | 'tensor'
  | 'train'
  | 'tune'
  | 'verify';

/** Where an error arises and what it is, such as `metrics/bad-label`: stable, for callers and tests to match on. */
export type ErrorCode = `${ErrorArea}/${string}`;

/**
 * An error whose message is meant for the user: it says what was wrong, where (file, row, op, shape) and what to do.
 */
export class GmtlError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GmtlError';
    this.code = code;
  }
}
