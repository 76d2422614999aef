/** What every engine offers to the harness (child.ts). */
import type { InputData, Pass, Workload } from './workloads.ts';

/** One workload made ready on an engine: its inputs uploaded in the engine's own layouts. */
export interface Prepared {
  /** Starts one run and frees the results of the previous one. */
  run(): void | Promise<void>;
  /** Resolves when the device has finished everything that was started. */
  wait(): Promise<void>;
  /**
   * Results of the last run, in the workload's layouts: `y` and, for pass `both`, `d<input>`. For pass `step`: `loss`, and after the first
   * run also `g:<parameter>`, the gradients of the parameters that are checked.
   */
  results(): Promise<Map<string, ArrayLike<number>>>;
  dispose?(): void;
}

export interface PeerEngine {
  /** Adapter, threads, versions: what the figures depend on. */
  readonly info: Readonly<Record<string, string>>;
  /** Throws `Unsupported` where the engine has no way to do it. */
  prepare(workload: Workload, pass: Pass, inputs: ReadonlyMap<string, InputData>): Promise<Prepared>;
  /** Releases what would keep the process from ending. */
  close?(): Promise<void> | void;
}

/** The engine cannot do this at all; the message says why. Shown in the table, not counted as a wrong result. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}
