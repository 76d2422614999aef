/** What every engine offers to the harness (child.ts). */
import type { InputData, Pass, Workload } from './workloads.ts';

/** One workload made ready on an engine: its inputs uploaded in the engine's own layouts. */
export interface Prepared {
  /** Starts one run; what the run before gave is freed. */
  run(): void | Promise<void>;
  /** Until the device has finished all that was started. */
  wait(): Promise<void>;
  /**
   * What the last run gave, in the workload's layouts: `y` and, of pass `both`, `d<input>`. Of pass `step`: `loss`, and after the first run
   * also `g:<parameter>`, the gradients, for the parameters that are checked.
   */
  results(): Promise<Map<string, ArrayLike<number>>>;
  dispose?(): void;
}

export interface PeerEngine {
  /** Adapter, threads, versions: what the figures depend on. */
  readonly info: Readonly<Record<string, string>>;
  /** Throws `Unsupported` where the engine has no way to do it. */
  prepare(workload: Workload, pass: Pass, inputs: ReadonlyMap<string, InputData>): Promise<Prepared>;
  /** So that the process can end. */
  close?(): Promise<void> | void;
}

/** The engine cannot do this at all; the message says why. Shown in the table, not counted as a wrong result. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}
