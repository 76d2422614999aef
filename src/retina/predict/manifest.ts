/** Lists of pictures too long for a command line: CSV or JSON lines with a path each, or paths on standard input. */
import { createReadStream } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';

/** One picture of a list. */
const entrySchema = z.object({
  path: z.string().min(1),
  /** The picture's own name: the stem of its result files, and the table's `id`. */
  id: z.string().min(1).optional(),
  patient: z.string().optional(),
  eye: z.string().optional(),
});
export type ManifestEntry = z.infer<typeof entrySchema>;

/**
 * Reads `list.csv` (a header with `path`, optionally `id`, `patient`, `eye`; other columns are left out) or `list.jsonl` (one object of those a line). Paths are
 * relative to the list's folder.
 *
 * @throws GmtlError `infer/manifest` naming the line.
 */
export async function readManifest(file: string): Promise<ManifestEntry[]> {
  const isJson = /\.(jsonl|ndjson)$/i.test(file);
  if (!isJson && !/\.csv$/i.test(file)) {
    throw new GmtlError('infer/manifest', `${file}: a list of pictures ends in .csv or .jsonl`);
  }
  const entries: ManifestEntry[] = [];
  let line = isJson ? 0 : 1;
  const fail = (why: string, cause?: unknown) =>
    new GmtlError('infer/manifest', `${file}, line ${line}: ${why}`, { cause });
  const rows: AsyncIterable<unknown> = isJson
    ? createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })
    : createReadStream(file).pipe(parse({ columns: true, bom: true, skip_empty_lines: true, trim: true }));
  try {
    for await (const row of rows) {
      line++;
      if (row === '') continue;
      const values =
        typeof row === 'string' ? (JSON.parse(row) as unknown) : withoutEmpty(row as Record<string, string>);
      const { success, data, error } = entrySchema.safeParse(values);
      if (!success)
        throw fail(
          `${error.issues[0].path.join('.') || 'the entry'}: ${error.issues[0].message}; every picture needs a path`,
        );
      entries.push({ ...data, path: resolve(dirname(file), data.path) });
    }
  } catch (cause) {
    if (cause instanceof GmtlError) throw cause;
    if (errorCode(cause) === undefined && !(cause instanceof Error)) throw cause;
    throw fail((cause as Error).message, cause);
  }
  if (entries.length === 0) throw new GmtlError('infer/manifest', `${file} names no picture`);
  return entries;
}

function withoutEmpty(row: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== ''));
}

/** Paths from a stream, one a line: `find … | gmtl infer -`. Empty lines are left out. */
export async function readPaths(stream: AsyncIterable<string | Uint8Array>): Promise<string[]> {
  const paths: string[] = [];
  for await (const line of createInterface({ input: Readable.from(stream), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '') paths.push(line);
  }
  return paths;
}
