/** What the kernel page and its worker say to each other. */
import type { BenchProblem, BenchRow } from '../../bench/kernels.ts';
import type { AdapterInfo } from '../../src/engine/gpu/classify.ts';
import type { CheckedCase } from '../../src/engine/check/checkCase.ts';
import type { Ceilings } from '../../src/engine/tuning/ceilings.ts';
import type { Timer } from '../../src/engine/tuning/timer.ts';
import type { Failure } from '../shared/failure.ts';

/**
 * Runs the tests; runs the benchmarks. `op` is an op's name, '' for all; `from` is how many cases (of benchmarks: ops) are done already;
 * `cases` is whether every case is tested, or the fewest that together run every kernel version.
 */
export type KernelWork =
  | { readonly kind: 'test'; readonly op: string; readonly from: number; readonly cases: 'all' | 'fewest' }
  | {
      readonly kind: 'time';
      readonly op: string;
      readonly from: number;
      readonly versions: 'all' | 'default';
      readonly seconds: number;
    };

export type KernelCommand = { readonly kind: 'open' } | KernelWork;

export interface ShownAdapter {
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

/** What the benchmarks are measured with, and against. */
export interface TimedKernels {
  readonly timer: Pick<Timer, 'kind' | 'reason'>;
  readonly ceilings: Ceilings;
}

export type KernelEvent =
  | { readonly kind: 'opened'; readonly adapter: ShownAdapter; readonly ops: readonly string[] }
  | {
      readonly kind: 'progress';
      readonly done: number;
      readonly total: number;
      readonly op: string;
      readonly testCase: string;
      readonly label: string;
    }
  | { readonly kind: 'tested'; readonly result: TestedCase }
  | { readonly kind: 'ceilings'; readonly ceilings: Ceilings; readonly timer: TimedKernels['timer'] }
  | { readonly kind: 'timed'; readonly row: BenchRow }
  | { readonly kind: 'problem'; readonly problem: BenchProblem }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly failure: Failure };
