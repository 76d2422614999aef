/** Turns measured times into FLOP/s, bytes/s and shares of the ceilings. */
import type { Work } from '../ops/work.ts';
import type { Ceilings } from './ceilings.ts';

export interface Rates {
  readonly gigaflopsPerSecond: number | null;
  readonly gigabytesPerSecond: number;
  /** What limits the call on this adapter at best: moving its bytes, its arithmetic, or starting its dispatches. */
  readonly bound: 'memory' | 'math' | 'launch';
  /**
   * Time the call would take at the ceiling that binds it, as a share of the time it took (the roofline model: Williams,
   * Waterman, Patterson, CACM 2009). Can exceed 1 where the data fits in a cache that the copy benchmark does not fit in.
   */
  readonly share: number;
}

/** Rates of work done in `milliseconds` by a plan of `dispatches` dispatches. */
export function ratesOf(work: Work, milliseconds: number, dispatches: number, ceilings: Ceilings): Rates {
  const seconds = milliseconds / 1000;
  const memory = work.bytes / ceilings.bytesPerSecond;
  const math = (work.flops ?? 0) / ceilings.flopsPerSecond;
  const launch = dispatches * ceilings.secondsPerDispatch;
  const least = Math.max(memory, math, launch);
  return {
    gigaflopsPerSecond: work.flops === null ? null : work.flops / seconds / 1e9,
    gigabytesPerSecond: work.bytes / seconds / 1e9,
    bound: least === launch ? 'launch' : least === math ? 'math' : 'memory',
    share: least / seconds,
  };
}
