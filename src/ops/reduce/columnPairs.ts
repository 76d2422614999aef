import type { BufferReference, Dispatch, Plan, PlanTarget } from '../../gpu/kernel.ts';
import { planSum } from './plan.ts';

/** Row chunks for column sums: enough threads to fill the device, at least 8 rows a chunk, few enough for a short second pass. */
export function rowChunks(rows: number, columnThreads: number, target: PlanTarget): number {
  const [threads, most] = target.deviceClass === 'software' ? [512, 32] : [32_768, 512];
  return Math.max(1, Math.min(most, Math.ceil(threads / columnThreads), Math.ceil(rows / 8)));
}

/**
 * Column sums of two quantities at once: `kernel` leaves partial sums [chunks, columns] in the two buffers it is given, then the
 * chunks are added up in order into `destinations`. One chunk goes straight to the destinations.
 */
export function planColumnPairs(
  destinations: readonly [BufferReference, BufferReference],
  columns: number,
  chunks: number,
  target: PlanTarget,
  partialSums: (first: BufferReference, second: BufferReference) => Dispatch,
): Plan & { readonly scratch: number[] } {
  if (chunks === 1) return { dispatches: [partialSums(...destinations)], scratch: [] };
  const scratch = [chunks * columns * 4, chunks * columns * 4];
  const stage = { outer: 1, extent: chunks, inner: columns };
  const dispatches = [
    partialSums('tmp0', 'tmp1'),
    ...planSum('tmp0', destinations[0], [stage], 1, target, undefined, scratch),
    ...planSum('tmp1', destinations[1], [stage], 1, target, undefined, scratch),
  ];
  return { dispatches, scratch };
}
