/** What the kernel page and its worker say to each other. */
import type { BenchProblem, BenchRow } from '../../bench/kernels.ts';
import type { AdapterInfo } from '../../src/engine/gpu/classify.ts';
import type { CheckedCase } from '../../src/engine/check/checkCase.ts';
import type { Ceilings } from '../../src/engine/tuning/ceilings.ts';
import type { Timer } from '../../src/engine/tuning/timer.ts';
import type { Failure } from '../shared/failure.ts';

/** Opens the device; runs the tests; runs the benchmarks. `op` is an op's name, '' for all. */
export type KernelCommand =
  | { readonly kind: 'open' }
  | { readonly kind: 'test'; readonly op: string }
  | { readonly kind: 'time'; readonly op: string; readonly versions: 'all' | 'default'; readonly seconds: number };

export interface OpenedAdapter {
  readonly name: string;
  readonly deviceClass: string;
  readonly info: AdapterInfo;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** A case that was tested. */
export interface TestedCase extends CheckedCase {
  readonly op: string;
  readonly testCase: string;
  readonly milliseconds: number;
}

export interface TimedKernels {
  readonly timer: Pick<Timer, 'kind' | 'reason'>;
  readonly ceilings: Ceilings;
  readonly problems: readonly BenchProblem[];
}

export type KernelEvent =
  | { readonly kind: 'opened'; readonly adapter: OpenedAdapter; readonly ops: readonly string[] }
  | { readonly kind: 'progress'; readonly done: number; readonly total: number; readonly label: string }
  | { readonly kind: 'tested'; readonly result: TestedCase }
  | { readonly kind: 'ceilings'; readonly ceilings: Ceilings; readonly timer: TimedKernels['timer'] }
  | { readonly kind: 'timed'; readonly row: BenchRow }
  | { readonly kind: 'done'; readonly timed: TimedKernels | null; readonly milliseconds: number }
  | { readonly kind: 'failed'; readonly failure: Failure };
