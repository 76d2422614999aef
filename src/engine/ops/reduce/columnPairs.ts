/** Plans sums of two quantities at once: column sums that come in pairs, and the second pass of a split product and its bias. */
import {
  type BufferReference,
  type Dispatch,
  foldGrid,
  gridFor,
  type Plan,
  type PlanTarget,
  type StorageFormat,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { treeColumns } from './tree.ts';

const sumPairKernel = kernel('reduce/sumPair');
const sumPairTreeKernel = kernel('reduce/sumPairTree');

/** What `sumPair` may use. */
export const sumPairKernels = [sumPairKernel, sumPairTreeKernel];

/** Row chunks for column sums: enough threads to fill the device, at least 8 rows per chunk, few enough for a short second pass. */
export function rowChunks(rows: number, columnThreads: number, target: PlanTarget): number {
  const [threads, most] = target.deviceClass === 'software' ? [512, 32] : [32_768, 512];
  return Math.max(1, Math.min(most, Math.ceil(threads / columnThreads), Math.ceil(rows / 8)));
}

/** Partial sums [extent, size] in a buffer, and where their sum over the extent goes. */
export interface PartialSums {
  readonly from: BufferReference;
  readonly to: BufferReference;
  /** Elements of the sum. */
  readonly size: number;
}

/** On a GPU, sums of more rows than this are shared by the lanes of a workgroup. */
const ROWS_OF_A_THREAD = 8;

/** Sums two buffers over `extent` rows in one dispatch, the first in the element format `result`. A second of size 0 is not read or written. */
export function sumPair(
  extent: number,
  first: PartialSums,
  second: PartialSums,
  target: PlanTarget,
  result?: StorageFormat,
): Dispatch {
  const width = first.size % 4 === 0 && second.size % 4 === 0 ? 4 : 1;
  const firstItems = first.size / width;
  const secondItems = second.size / width;
  const common = {
    width,
    result,
    buffers: { first: first.from, second: second.from, firstOut: first.to, secondOut: second.to },
  } as const;
  if (target.deviceClass === 'software' || extent <= ROWS_OF_A_THREAD) {
    return {
      ...common,
      kernel: sumPairKernel,
      uniforms: { extent, firstItems, secondItems },
      workgroups: gridFor(firstItems + secondItems, 64),
    };
  }
  const columns = treeColumns(firstItems);
  const firstBlocks = Math.ceil(firstItems / columns);
  const workgroups = firstBlocks + Math.ceil(secondItems / columns);
  return {
    ...common,
    kernel: sumPairTreeKernel,
    uniforms: { extent, firstItems, secondItems, firstBlocks, workgroups },
    overrides: { COLUMNS: columns },
    workgroups: foldGrid(workgroups),
  };
}

/**
 * Column sums of two quantities at once: `partialSums` leaves partial sums [chunks, columns] in the two buffers it is given, then the
 * chunks are added up in a fixed order into `destinations`. One chunk goes straight to the destinations.
 */
export function planColumnPairs(
  destinations: readonly [BufferReference, BufferReference],
  columns: number,
  chunks: number,
  target: PlanTarget,
  partialSums: (first: BufferReference, second: BufferReference) => Dispatch,
): Plan & { readonly scratch: number[] } {
  if (chunks === 1) return { dispatches: [partialSums(...destinations)], scratch: [] };
  const [first, second] = destinations;
  const pair = sumPair(
    chunks,
    { from: 'tmp0', to: first, size: columns },
    { from: 'tmp1', to: second, size: columns },
    target,
  );
  return { dispatches: [partialSums('tmp0', 'tmp1'), pair], scratch: [chunks * columns * 4, chunks * columns * 4] };
}
