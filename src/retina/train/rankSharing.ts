/** How the micro-batches of a step are shared out over ranks. */
import type { Deal } from '../data/loading/loader.ts';
import { GmtlError } from '../../engine/errors.ts';

/**
 * The share of a rank: equally many for all, and a power of two where there are several ranks, so that each rank's are a subtree of the
 * tree in which gradients are summed.
 *
 * @param accumulate training.accumulate: the micro-batches of a step.
 * @throws GmtlError `ranks/share` where they cannot be shared out so.
 */
export function shareOf(accumulate: number, { rank, size }: { readonly rank: number; readonly size: number }): Deal {
  const count = accumulate / size;
  const isSubtree = size === 1 || (Number.isInteger(count) && Number.isInteger(Math.log2(count)));
  if (!isSubtree) {
    const fits = [1, 2, 4].map((each) => each * size).join(', ');
    throw new GmtlError(
      'ranks/share',
      `training.accumulate is ${accumulate}, which cannot be shared out over ${size} ranks: a step's micro-batches must be 1, 2, 4 … for each. ` +
        `Set training.accumulate to ${fits} …, or start another number of ranks. (A step learns from accumulate x (segmentationPerBatch + classificationPerBatch) images, on however many ranks.)`,
    );
  }
  return { total: accumulate, first: rank * count, count };
}
