/** The folder of a cross-validation: a run folder per fold, how many there are, and the summary of all. */
import { checkAttributes } from '../../engine/arguments.ts';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../engine/node/atomic.ts';
import { CROSS_VALIDATION_FILES, foldName } from './fileNames.ts';
import { acquireRunLock, type RunLock } from './lock.ts';
import { makeFolder, type NewFolder } from './makeFolder.ts';
import { RunFolder } from './runFolder.ts';
import { parseStored } from './storedJson.ts';

const foldsSchema = z.object({ folds: z.int().min(2) });

/** Owns the names, readers and writers of a cross-validation's files: a run folder for each fold, how many there are, the summary. */
export class CrossValidationFolder {
  readonly path: string;

  /** Neither reads nor writes. */
  constructor(path: string) {
    checkAttributes('CrossValidationFolder', { path: 'path' }, { path });
    this.path = path;
  }

  /** Makes the folder; {@link declare} completes it. @throws GmtlError as `makeFolder`. */
  static create(place: NewFolder): CrossValidationFolder {
    return new CrossValidationFolder(makeFolder(place));
  }

  /** Whether a folder holds a cross-validation that was made whole; false where there is no folder. */
  static isAt(path: string): boolean {
    checkAttributes('CrossValidationFolder.isAt', { path: 'path' }, { path });
    return existsSync(join(path, CROSS_VALIDATION_FILES.folds));
  }

  /** Makes the run folder of a fold, counted from 0. @throws GmtlError as `makeFolder`, where it is there already. */
  createFold(fold: number): RunFolder {
    return RunFolder.create({ folder: this.#foldPath(fold) });
  }

  /** The run of a fold, counted from 0; neither reads nor writes. */
  fold(fold: number): RunFolder {
    return new RunFolder(this.#foldPath(fold));
  }

  /** Writes how many folds there are. To be called when all are made: with it the folder can be resumed. */
  async declare(folds: number): Promise<void> {
    await writeFileAtomic(join(this.path, CROSS_VALIDATION_FILES.folds), `${JSON.stringify({ folds })}\n`);
  }

  /** How many folds there are. @throws GmtlError `run/folds` where the record is missing or damaged. */
  count(): number {
    const path = join(this.path, CROSS_VALIDATION_FILES.folds);
    const remedy = 'Start the cross-validation anew.';
    return parseStored(foldsSchema, readFileSync(path, 'utf8'), { path, code: 'run/folds', remedy }).folds;
  }

  /** One process per cross-validation. @throws GmtlError as `acquireRunLock`. */
  lock(): Promise<RunLock> {
    return acquireRunLock(this.path);
  }

  /** Writes the summary as JSON and as text. @returns both paths. */
  async writeSummary(summary: object, text: string): Promise<readonly [json: string, text: string]> {
    const json = join(this.path, CROSS_VALIDATION_FILES.summary);
    const plain = join(this.path, CROSS_VALIDATION_FILES.summaryText);
    await writeFileAtomic(json, `${JSON.stringify(summary, null, 2)}\n`);
    await writeFileAtomic(plain, `${text}\n`);
    return [json, plain];
  }

  /** Deletes the folder with all its runs. Throws what the disk reports. */
  remove(): void {
    rmSync(this.path, { recursive: true });
  }

  #foldPath(fold: number): string {
    return join(this.path, foldName(fold));
  }
}
