/** New folders for runs: named by time and preset and made unique, or exactly the one that was asked for. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, errorCode, makeFolders } from '../../engine/node/atomic.ts';

/** Where a new run goes. */
export interface NewFolder {
  /** Exactly this folder, which must be empty or absent. Default: `<root>/<date-time>-<preset>`. */
  readonly folder?: string | undefined;
  /** The folder that holds runs. Default `runs`. */
  readonly root?: string | undefined;
  /** Part of the folder's name. */
  readonly preset?: string | undefined;
  /** The time in the folder's name, which is local time. Default: the present. */
  readonly now?: Date;
}

/** Makes the folder. @throws GmtlError `run/exists` when `folder` exists and is not empty, or as {@link describeWriteError}. */
export function makeFolder(place: NewFolder): string {
  return place.folder === undefined ? makeUnique(place) : makeExactly(place.folder);
}

function makeUnique({ root = 'runs', preset, now = new Date() }: NewFolder): string {
  const stem = [timeStamp(now), preset].filter((part) => part !== undefined).join('-');
  try {
    makeFolders(root);
    for (let count = 1; ; count++) {
      const path = join(root, count === 1 ? stem : `${stem}-${count}`);
      // mkdir itself is the test: two runs started in the same second cannot both succeed.
      if (tryMakeFolder(path)) return path;
    }
  } catch (error) {
    throw describeWriteError(error, root);
  }
}

function makeExactly(path: string): string {
  try {
    makeFolders(path);
    if (readdirSync(path).length === 0) return path;
  } catch (error) {
    throw describeWriteError(error, path);
  }
  throw new GmtlError(
    'run/exists',
    `${path}: the folder is not empty, and a run never overwrites. Resume the run in it (--resume), where it holds one, or choose another folder.`,
  );
}

function tryMakeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Local time as `2026-01-31_09-05-59`: sorts by time, and has no character that a file system refuses. */
export function timeStamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${date}_${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('-')}`;
}
