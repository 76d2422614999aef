/** The package's one error class, for problems that its user can fix. */

/** The part of the package that an error comes from. */
export type ErrorArea =
  | 'adapter' // finding and opening a GPU adapter
  | 'autograd'
  | 'bench'
  | 'checkpoint' // a run's checkpoints
  | 'cli' // the arguments of a command
  | 'config' // a run's configuration
  | 'data' // data sets and pictures
  | 'export' // `gmtl export`
  | 'gpu' // an open device
  | 'infer' // predicting with a trained network
  | 'init' // initializing a network from a file of weights
  | 'install' // the optional packages
  | 'io' // reading and writing files
  | 'log' // a run's CSV logs
  | 'metrics'
  | 'model'
  | 'nn' // layers, losses and state dicts
  | 'onnx' // writing ONNX models
  | 'ops'
  | 'optim'
  | 'ranks' // training on several processes
  | 'report' // tables, plots and pages
  | 'run' // a run's folder
  | 'safetensors'
  | 'tensor'
  | 'torch' // reading PyTorch's files
  | 'train'
  | 'tune' // `gmtl tune`
  | 'verify' // `gmtl train --verify`
  | 'web'; // the browser's pages and their server

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

/**
 * Whether JavaScript's own memory ended. Node and Chrome: `Array buffer allocation failed`, `Out of memory at ImageData creation`; Safari:
 * `Out of memory`; Firefox: `allocation size overflow`.
 */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && /out of memory|allocation (failed|size overflow)/i.test(error.message);
}

/** How a value that is not what it should be looks in a message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `the function ${value.name}`;
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(show).join(', ')}${value.length > 8 ? ', …' : ''}]`;
  if (value === null || typeof value !== 'object') return String(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return `a ${value.constructor?.name ?? 'record'}`;
  return `{ ${Object.keys(value).join(', ')} }`;
}
