/** The messages between the parent process and its children. */
import type { CheckResult } from './check.ts';
import type { Pass } from './workloads.ts';

export interface RowKey {
  readonly workload: string;
  readonly pass: Pass;
}

/** `broken`: wrong numbers. `unsupported`: the engine cannot do it. `failed`: it threw or died. `timeout`: it took too long. */
export type RowStatus = 'ok' | 'broken' | 'unsupported' | 'failed' | 'timeout';

export interface RowResult extends RowKey {
  readonly status: RowStatus;
  /** Why it is not `ok`. */
  readonly reason?: string;
  /** Milliseconds of the first run: compilation, and whatever else an engine does once. */
  readonly firstCall?: number;
  /** Milliseconds of each run, after the first three. Only where the numbers were right. */
  readonly samples?: readonly number[];
  readonly median?: number;
  readonly check?: CheckResult;
}

export interface ChildOrder {
  readonly rows: readonly RowKey[];
  /** Time to spend on the samples of a row. */
  readonly seconds: number;
}

export type ChildMessage =
  | { readonly kind: 'engine'; readonly info: Readonly<Record<string, string>> }
  | { readonly kind: 'start'; readonly key: RowKey }
  | { readonly kind: 'row'; readonly row: RowResult }
  | { readonly kind: 'error'; readonly message: string };
