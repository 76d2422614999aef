/** Writes files so that a crash never leaves half of one, and words the errors of writing. */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GmtlError } from '../errors.ts';

/**
 * The file operations an atomic write is made of. Replaceable, so that tests can stop the "process" between any two of them.
 * Every operation either completes or rejects; none retries.
 */
export interface FileOperations {
  /** Creates a folder and its parents; an existing one is left as it is. */
  makeFolder(folder: string): Promise<void>;
  /** Creates `path` (it must not exist), writes `data`, fsyncs and closes it. */
  createSynced(path: string, data: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes renames and deletions within the folder durable. */
  syncFolder(folder: string): Promise<void>;
}

/** The real file system. */
export const nodeFileOperations: FileOperations = {
  async makeFolder(folder) {
    makeFolders(folder);
  },
  async createSynced(path, data) {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  rename,
  unlink,
  async syncFolder(folder) {
    // Windows cannot open a folder for fsync; NTFS journals the rename itself.
    if (process.platform === 'win32') return;
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } catch (error) {
      if (!isFolderSyncUnsupported(error)) throw error;
    } finally {
      await handle.close();
    }
  },
};

const TEMPORARY_NAME = /^\.(.+)\.[0-9a-f]{16}\.gmtl-tmp$/;

/**
 * Replaces `path` with `data` so that a reader, a crash or a power cut sees the old content or the new one, never a mixture: a temporary
 * file in the same folder is written and fsynced, renamed over the target, and the folder fsynced. Missing parent folders are created. A string is written as UTF-8.
 *
 * @throws GmtlError `io/disk-full`, `io/quota`, `io/not-writable` or `io/write-failed`; the target is then untouched and the temporary file removed.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  files: FileOperations = nodeFileOperations,
): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    requireReplaceable(path);
    await files.makeFolder(dirname(path));
    await files.createSynced(temporary, toBytes(data));
    await files.rename(temporary, path);
  } catch (error) {
    // The first error is the one to report; a temporary file that cannot be removed now is removed at the next start.
    await files.unlink(temporary).catch(() => undefined);
    throw describeWriteError(error, path);
  }
  await files.syncFolder(dirname(path));
}

/**
 * Makes sure that `path` can be written later, before work is done whose result goes there. Missing parent folders are created.
 * @throws GmtlError as {@link writeFileAtomic}.
 */
export async function requireWritable(path: string, files: FileOperations = nodeFileOperations): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    requireReplaceable(path);
    await files.makeFolder(dirname(path));
    await files.createSynced(temporary, new Uint8Array());
    await files.unlink(temporary);
  } catch (error) {
    throw describeWriteError(error, path);
  }
}

/**
 * Makes a folder and its parents; an existing one is left as it is. Node's own (mkdir, recursive) tries for ever where a parent is there and takes no
 * folders, as /proc. Throws system errors, for {@link describeWriteError}.
 */
export function makeFolders(folder: string): void {
  if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  try {
    fs.mkdirSync(folder);
  } catch (error) {
    // Another process may have made it meanwhile.
    if (errorCode(error) === 'EEXIST' && fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
    if (errorCode(error) !== 'ENOENT' || fs.existsSync(dirname(folder))) throw error;
    makeFolders(dirname(folder));
    makeFolders(folder);
  }
}

/** Makes a folder and checks that files can be written to it. @throws GmtlError as {@link describeWriteError}. */
export function makeWritableFolder(folder: string): void {
  try {
    makeFolders(folder);
    fs.accessSync(folder, fs.constants.W_OK);
  } catch (error) {
    throw describeWriteError(error, folder);
  }
}

/** Whether what `path` names is a pipe, socket or device, which may be waited for for ever; not what a shell passes as a file (<(…), /dev/stdin). */
export function isWaitedFor(path: string): boolean {
  if (/^\/(dev\/(fd\/|stdin$)|proc\/self\/fd\/)/.test(path)) return false;
  try {
    const found = fs.statSync(path);
    return !found.isFile() && !found.isDirectory();
  } catch {
    // Whoever uses the path says what is wrong with it.
    return false;
  }
}

/** Throws where a rename would put a file in the place of a folder, a device (/dev/null) or a pipe. */
function requireReplaceable(path: string): void {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (!found || found.isFile()) return;
  if (found.isDirectory()) throw Object.assign(new Error(`${path} is a folder`), { code: 'EISDIR' });
  throw new GmtlError(
    'io/write-failed',
    `cannot write ${path}: it is a device, pipe or socket, which a file would replace. Choose another name.`,
  );
}

/** As {@link writeFileAtomic}, blocking: for exit paths and small files. */
export function writeFileAtomicSync(path: string, data: string | Uint8Array): void {
  const temporary = temporaryPath(path);
  try {
    requireReplaceable(path);
    makeFolders(dirname(path));
    const file = fs.openSync(temporary, 'wx');
    try {
      fs.writeFileSync(file, data);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(temporary, path);
  } catch (error) {
    removeQuietlySync(temporary);
    throw describeWriteError(error, path);
  }
  syncFolderSync(dirname(path));
}

/**
 * Deletes the temporary files that killed processes left in `folder` (which may be absent). Call it only where no other process writes,
 * e.g. while holding the run's lock: a live temporary file looks the same.
 * @returns the names removed.
 */
export async function removeStaleTemporaryFiles(
  folder: string,
  files: FileOperations = nodeFileOperations,
): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
  const stale = names.filter((name) => TEMPORARY_NAME.test(name));
  for (const name of stale) await files.unlink(join(folder, name));
  return stale;
}

/** Turns a failed write into an error the user can act on. Errors of other kinds (a test's simulated crash) pass unchanged. */
export function describeWriteError(error: unknown, written: string): unknown {
  const code = errorCode(error);
  // A temporary file goes with the error; what it would have become is what the user knows.
  const target = TEMPORARY_NAME.exec(basename(written))?.[1];
  const path = target === undefined ? written : join(dirname(written), target);
  if (code === undefined) return error;
  const options = { cause: error };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const isFull = code === 'ENOSPC';
    const what = isFull ? 'the disk is full' : 'the disk quota is used up';
    return new GmtlError(
      // Others may free the disk meanwhile; a quota is its owner's to free.
      isFull ? 'io/disk-full' : 'io/quota',
      `cannot write ${path}: ${what}. Free some space and run again; earlier files are intact.`,
      options,
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    const message = `cannot write ${path}: no permission (${code}). Choose another folder or change its rights.`;
    return new GmtlError('io/not-writable', message, options);
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    const isLink = isLinkItself(path);
    const what = isLink ? 'it is a link that leads to no folder' : 'part of its path is a file, not a folder';
    const message = `cannot write ${path}: ${what}. Choose another place.`;
    return new GmtlError('io/write-failed', message, options);
  }
  if (code === 'ENOENT') {
    const message = `cannot write ${path}: nothing can be made there (ENOENT). Choose another place.`;
    return new GmtlError('io/write-failed', message, options);
  }
  if (code === 'EISDIR') {
    return new GmtlError('io/write-failed', `cannot write ${path}: it is a folder. Choose another name.`, options);
  }
  return new GmtlError('io/write-failed', `cannot write ${path}: ${(error as Error).message}`, options);
}

function isLinkItself(path: string): boolean {
  try {
    return fs.lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** The `code` of a Node system error, e.g. `ENOENT`; undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof GmtlError || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Removes a file and ignores system errors: a write that failed (a parent is not a folder) reports its own error. */
function removeQuietlySync(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

function syncFolderSync(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(handle);
  } catch (error) {
    if (!isFolderSyncUnsupported(error)) throw error;
  } finally {
    fs.closeSync(handle);
  }
}

/** Some network file systems refuse fsync on folders; there the rename is as durable as they make it. */
function isFolderSyncUnsupported(error: unknown): boolean {
  return ['EINVAL', 'ENOTSUP', 'EISDIR'].includes(errorCode(error) ?? '');
}

/** A name for what is written before it is renamed to `path`; {@link removeStaleTemporaryFiles} knows it. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.gmtl-tmp`);
}

function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

/** The text of a file; undefined where the file does not exist. Any other failure to read is thrown. */
export function readIfPresent(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
