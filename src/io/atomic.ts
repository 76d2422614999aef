import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { GmtlError } from '../errors.ts';

/**
 * Writes a file so that a reader (or a crash) sees either the old content or the whole new one, never a part.
 * The data goes to a temporary file in the same folder (a rename is atomic only within one file system), is flushed to the
 * disk and then renamed over `path`. Missing parent folders are created. A string is written as UTF-8.
 *
 * @throws GmtlError `io/write-failed` naming the path when the folder or the file cannot be written.
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  const target = resolve(path);
  const folder = dirname(target);
  const temporary = join(folder, `.${basename(target)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
    await syncFolder(folder);
  } catch (cause) {
    // Clean-up fails for the same cause as the write (a parent that is no folder): the first failure is the one to report.
    await rm(temporary, { force: true }).catch(() => undefined);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError(
      'io/write-failed',
      `Cannot write ${target}: ${reason}. Check that the folder is writable and the disk has space.`,
      { cause },
    );
  }
}

/** The rename itself survives a power cut only once the folder is flushed; Windows cannot open folders, and needs no flush. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
