/** The folder that inference writes to: masks and an overlay of each image, and the table of all images. */
import { checkAttributes } from '../../engine/arguments.ts';
import { existsSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, errorCode, makeWritableFolder, writeFileAtomic } from '../../engine/node/atomic.ts';
import { type Structure, STRUCTURES } from '../domain.ts';
import type { StructureMasks } from '../report/overlay.ts';
import { requireOwn, writeAnnounced } from '../report/ownFiles.ts';
import { encodeMaskPng } from '../report/png.ts';
import { acquireLock, type LockTimes, type LockUse, type RunLock } from '../run/lock.ts';
import { type Inferred, type InferResult, summary } from './result.ts';
import type { InferInput } from './inputs.ts';
import { PredictionsTable } from './predictionsTable.ts';

/** Held while a process writes results into a folder. */
const LOCK_FILE = 'infer.lock';

/**
 * Makes a folder of results this process's alone: two that add to one table would lose each other's rows. A job that was killed on another machine or in
 * another container must be able to go on here: its lock is watched, and taken over where nothing touches it for a minute.
 *
 * @param note is called with the news that a lock is watched. @throws GmtlError `infer/locked` where a living process has it, and as {@link makeWritableFolder}.
 */
export async function lockResults(folder: string, note: (text: string) => void, times?: LockTimes): Promise<RunLock> {
  makeWritableFolder(folder);
  const use: LockUse = {
    code: 'infer/locked',
    doing: 'writing results into this folder',
    instead: 'choose another folder',
    elsewhere: 'watch',
    note,
  };
  return acquireLock(join(folder, LOCK_FILE), use, times);
}

/** The names of the files that {@link writeResults} may write for an image. */
export function resultFiles(folder: string, name: string): { overlay: string; masks: Record<Structure, string> } {
  const masks = Object.fromEntries(
    STRUCTURES.map((structure) => [structure, join(folder, `${name}_${structure}.png`)]),
  );
  return { overlay: join(folder, `${name}_overlay.png`), masks: masks as Record<Structure, string> };
}

/** Which files are written for a picture beside its row: large runs may want the table alone. */
export interface WrittenFiles {
  readonly masks: boolean;
  readonly overlays: boolean;
}

/** The files that {@link writeResults} writes for a result. */
export function filesOfResult(
  folder: string,
  name: string,
  { lesions }: Pick<InferResult, 'lesions'>,
  write: WrittenFiles = { masks: true, overlays: true },
): string[] {
  const files = resultFiles(folder, name);
  const masks = STRUCTURES.filter((structure) => write.masks && lesions?.[structure] !== undefined);
  return [...masks.map((structure) => files.masks[structure]), ...(write.overlays ? [files.overlay] : [])];
}

/** Longer side of an overlay at most, pixels. */
const OVERLAY_SIDE = 2048;

/** A folder of results that passed the checks of {@link openResults}. */
export interface ResultsFolder {
  readonly folder: string;
  readonly table: PredictionsTable;
  /** On the folder: nothing is written without it. Undefined: nobody else writes there. */
  readonly lock?: Pick<RunLock, 'confirm'> | undefined;
}

/**
 * Makes the folder, and refuses, before anything is computed, what could not be written in the end.
 *
 * @param lock that was taken on the folder: nothing is written once another process has it. Default: nobody else writes there.
 * @throws GmtlError `infer/exists` where a result would replace an input image or, without `overwrite`, an earlier result; `io/exists` where it
 * would replace, or a mask that is no longer predicted would remove, what inference did not write; `infer/table` for
 * a foreign table; `io/…` where the folder cannot be written.
 */
export async function openResults(
  folder: string,
  inputs: readonly InferInput[],
  overwrite = false,
  lock?: Pick<RunLock, 'confirm'>,
): Promise<ResultsFolder> {
  checkAttributes(
    'openResults',
    { folder: 'path', inputs: 'records', overwrite: 'flag' },
    { folder, inputs, overwrite },
  );
  makeWritableFolder(folder);
  const sources = new Set(inputs.map(({ path }) => resolve(path)));
  const files = inputs.flatMap(({ name }) => {
    const { overlay, masks } = resultFiles(folder, name);
    return [overlay, ...Object.values(masks)];
  });
  for (const file of files) {
    if (sources.has(resolve(file))) {
      throw new GmtlError(
        'infer/exists',
        `${file} is an image to look at and would be overwritten: choose another --out`,
      );
    }
    if (!overwrite && existsSync(file)) {
      throw new GmtlError(
        'infer/exists',
        `${file} is there already. Add --overwrite to replace earlier results, or choose another folder with --out.`,
      );
    }
  }
  requireOwn(files, 'infer');
  return { folder, table: await PredictionsTable.open(folder, lock), lock };
}

/**
 * Writes an overlay with a legend and, where there are masks, one PNG per structure (8-bit gray, 0 and 255, the frame's size). Masks of
 * an earlier inference under the same name that this one does not have are removed: they would look like results of this one.
 *
 * @param keeps whether files that are not to be written stay: they are known to show the same result.
 * @returns the files written.
 * @throws GmtlError as {@link writeFileAtomic}.
 */
export async function writeResults(
  folder: string,
  input: InferInput,
  { result, image, masks }: Inferred,
  write: WrittenFiles = { masks: true, overlays: true },
  keeps = false,
): Promise<string[]> {
  const { width, height, data } = image;
  const files = resultFiles(folder, input.name);
  const written = filesOfResult(folder, input.name, result, write);
  await writeAnnounced(written, 'infer', async () => {
    for (const structure of STRUCTURES) {
      const mask = masks?.[structure];
      if (mask === undefined || !write.masks) {
        if (mask === undefined || !keeps) await removeOld(files.masks[structure]);
        continue;
      }
      await writeFileAtomic(files.masks[structure], encodeMaskPng(mask, width, height));
    }
    if (write.overlays) {
      // Imported here, because the drawing libraries take half a second to load and every command would pay it.
      const { renderOverlay } = await import('../report/overlay.ts');
      const drawn: StructureMasks = masks ?? {};
      const options = { title: summary(result), maxSide: OVERLAY_SIDE };
      await writeFileAtomic(files.overlay, await renderOverlay({ data, width, height }, drawn, options));
    } else if (!keeps) await removeOld(files.overlay);
  });
  return written;
}

async function removeOld(path: string): Promise<void> {
  if (!existsSync(path)) return;
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw describeWriteError(error, path);
  }
}
