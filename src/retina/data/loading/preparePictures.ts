/** Prepares every picture once before work begins, so that a bad one costs a minute and not a training. */
import { GmtlError } from '../../../engine/errors.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';
import type { DatasetItem } from '../../domain.ts';

/** Pictures in flight: more than are decoded at once, so that reading from the cache does not wait. */
const AT_ONCE = 8;

/**
 * Prepares each item as the work will ask for it; what is prepared stays in the cache.
 *
 * @param prepare throws what is wrong with an item, or leaves it out where that is allowed.
 * @param stop aborting it ends the check early. @param onProgress called after each picture.
 * @throws GmtlError the one problem, or one error with the first ten.
 */
export async function preparePictures(
  items: readonly DatasetItem[],
  prepare: (item: DatasetItem) => Promise<unknown>,
  stop?: AbortSignal,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  const problems: GmtlError[] = [];
  let done = 0;
  await mapParallel(
    items,
    async (item) => {
      if (stop?.aborted) return;
      try {
        await prepare(item);
      } catch (error) {
        if (!(error instanceof GmtlError) || !error.code.startsWith('data/')) throw error;
        problems.push(error);
      }
      onProgress?.(++done, items.length);
    },
    AT_ONCE,
  );
  if (problems.length === 0) return;
  const [first] = problems;
  const listed = problems.slice(0, 10).map(({ message }) => `  - ${message}`);
  if (problems.length > listed.length) listed.push(`  … and ${problems.length - listed.length} more`);
  const what =
    problems.length === 1
      ? first.message
      : `${problems.length} of ${items.length} pictures cannot be used:\n${listed.join('\n')}`;
  throw new GmtlError(
    first.code,
    `${what}\nMend them ("gmtl data verify" lists all), or leave them out with --skip-bad.`,
    {
      cause: first,
    },
  );
}
