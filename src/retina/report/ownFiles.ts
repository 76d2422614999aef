/** What a command may replace: the files that it wrote itself, as long as nobody changed them. */
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import {
  describeWriteError,
  errorCode,
  makeFolders,
  readIfPresent,
  writeFileAtomic,
} from '../../engine/node/atomic.ts';

/** In every folder that a command wrote results to: a line for each file written, the newest last. */
const JOURNAL = '.gmtl-files.jsonl';

/**
 * `sha256` is null while the file is about to be written: a killed process leaves it so, and what it had begun is still its own. {@link ABSENT} where
 * it was not written after all.
 */
const lineSchema = z.object({ file: z.string(), by: z.string(), sha256: z.string().nullable() });

/** No content has this hash: what lies there later is not the command's. */
const ABSENT = 'absent';

/** The commands that write files under names which the user chose, or beside files of the user's. */
export type Writer =
  | 'infer'
  | 'infer --sample'
  | 'merge'
  | 'evaluate'
  | 'export'
  | 'data prepare'
  | 'data verify'
  | 'bench';

/**
 * Refuses, before work is done, to replace what the command did not write itself.
 *
 * @throws GmtlError `io/exists` naming the first file that another command, another program or a hand wrote or changed.
 */
export function requireOwn(paths: readonly string[], by: Writer): void {
  const journals = new Map<string, Map<string, z.infer<typeof lineSchema>>>();
  for (const path of paths) {
    const sha256 = hashOf(path);
    if (sha256 === null) continue;
    const folder = dirname(path);
    const known = journals.get(folder) ?? readJournal(folder);
    journals.set(folder, known);
    const last = known.get(basename(path));
    if (last?.by === by && (last.sha256 === null || last.sha256 === sha256)) continue;
    const who =
      last === undefined
        ? 'gmtl has no record of writing it'
        : last.by === by
          ? 'it was changed since'
          : `gmtl ${last.by} wrote it`;
    throw new GmtlError(
      'io/exists',
      `${path} is there already, and is not gmtl ${by}'s own to replace (${who}). Choose another place, or move the file away.`,
    );
  }
}

/**
 * Writes files that {@link requireOwn} let pass. They are announced before and recorded after: what a kill, a full disk or another error leaves half
 * done is still the command's own, and the same command finishes it.
 *
 * @param write makes all of the files, or some of them. @throws GmtlError of `write`, and as `writeFileAtomic` where the record cannot be written.
 */
export async function writeAnnounced<T>(paths: readonly string[], by: Writer, write: () => Promise<T>): Promise<T> {
  append(paths, by, () => null);
  const result = await write();
  append(paths, by, (path) => hashOf(path) ?? ABSENT);
  return result;
}

function append(paths: readonly string[], by: Writer, hash: (path: string) => string | null): void {
  for (const path of paths) {
    const sha256 = hash(path);
    const journal = join(dirname(path), JOURNAL);
    try {
      // Files are announced before the first of them makes the folder.
      makeFolders(dirname(path));
    } catch (error) {
      throw describeWriteError(error, path);
    }
    try {
      appendFileSync(journal, `${JSON.stringify({ file: basename(path), by, sha256 })}\n`);
    } catch (error) {
      throw describeWriteError(error, journal);
    }
  }
}

/** Writes a file that is new, or that the command wrote before. @throws GmtlError as {@link requireOwn} and `writeFileAtomic`. */
export async function writeOwn(path: string, data: string | Uint8Array, by: Writer): Promise<void> {
  requireOwn([path], by);
  await writeAnnounced([path], by, () => writeFileAtomic(path, data));
}

/** null where there is no such file; '' of a device or pipe, whose content nobody vouches for and which may never end. */
function hashOf(path: string): string | null {
  try {
    const found = statSync(path);
    if (!found.isFile() && !found.isDirectory()) return '';
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (error) {
    // What cannot be read for another reason is left to whoever writes it to report.
    if (errorCode(error) !== undefined) return null;
    throw error;
  }
}

/** The last line of each file. */
function readJournal(folder: string): Map<string, z.infer<typeof lineSchema>> {
  const text = readIfPresent(join(folder, JOURNAL)) ?? '';
  const lines = text.split('\n').flatMap((line) => {
    try {
      return [lineSchema.parse(JSON.parse(line))];
    } catch {
      // A line that was cut short or edited vouches for nothing.
      return [];
    }
  });
  return new Map(lines.map((line) => [line.file, line]));
}
