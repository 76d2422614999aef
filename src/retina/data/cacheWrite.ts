/** Keeps in the cache what can be computed again: where that is not possible the work goes on without, and says so once. */
import { writeFile } from 'node:fs/promises';
import { type FileOperations, nodeFileOperations, writeFileAtomic } from '../../engine/node/atomic.ts';

/** Nothing waits for the disk: an entry that a power cut tears is damaged, which its reader sees (a checksum, or its last line), and makes again. */
const UNSYNCED: FileOperations = {
  ...nodeFileOperations,
  createSynced: (path, data) => writeFile(path, data, { flag: 'wx' }),
  syncFolder: async () => undefined,
};

/** Roots that could not be written to. */
const failed = new Set<string>();

/**
 * Writes a file into a cache. A cache that cannot be written (a read-only home folder, a full disk) costs time, never the result.
 *
 * @param root the cache's root, as the user knows it.
 * @returns whether the file was written.
 */
export async function keepInCache(root: string, path: string, bytes: Uint8Array): Promise<boolean> {
  if (failed.has(root)) return false;
  try {
    await writeFileAtomic(path, bytes, UNSYNCED);
    return true;
  } catch (error) {
    if (failed.has(root)) return false;
    failed.add(root);
    const reason = error instanceof Error ? error.message : String(error);
    console.error(
      `note: the cache ${root} cannot be used, so pictures are prepared anew each time (${reason}). GMTL_CACHE_DIR names another folder.`,
    );
    return false;
  }
}
