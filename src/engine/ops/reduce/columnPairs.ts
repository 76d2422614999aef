/** Plans column sums of two quantities at once. */
import { type BufferReference, type Dispatch, gridFor, type Plan, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { planSum, sumKernel } from './plan.ts';

const sumPairKernel = kernel('reduce/sumPair');

/** What the second pass of `planColumnPairs` may use. */
export const columnPairKernels = [sumPairKernel, sumKernel];

/** Longer sums are cut once more, one quantity at a time. */
const MOST_CHUNKS_AT_ONCE = 64;

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
  const sums = partialSums('tmp0', 'tmp1');
  if (chunks <= MOST_CHUNKS_AT_ONCE) {
    const second: Dispatch = {
      kernel: sumPairKernel,
      buffers: { first: 'tmp0', second: 'tmp1', firstOut: destinations[0], secondOut: destinations[1] },
      uniforms: { columns, extent: chunks },
      workgroups: gridFor(columns, 64),
    };
    return { dispatches: [sums, second], scratch };
  }
  const stage = { outer: 1, extent: chunks, inner: columns };
  const dispatches = [
    sums,
    ...planSum('tmp0', destinations[0], [stage], 1, target, undefined, scratch),
    ...planSum('tmp1', destinations[1], [stage], 1, target, undefined, scratch),
  ];
  return { dispatches, scratch };
}
