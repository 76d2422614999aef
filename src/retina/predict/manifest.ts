/** Lists of pictures too long for a command line: CSV or JSON lines with a path each, or paths on standard input. */
import { createReadStream } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { encodingOf, separatorOf } from '../data/sets/labels.ts';
import { describeReadError } from '../../engine/node/safetensorsFile.ts';

/** Text that can be part of a path: no system takes NUL. */
const pathText = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'has a NUL character');

/** One picture of a list. */
export const entrySchema = z.object({
  path: pathText,
  /** The picture's own name: the stem of its result files, and the table's `id`. */
  id: pathText.optional(),
  patient: z.string().optional(),
  eye: z.string().optional(),
});
export type ManifestEntry = z.infer<typeof entrySchema>;

/**
 * Reads `list.csv` (a header with `path`, optionally `id`, `patient`, `eye`; other columns are left out) or `list.jsonl` (one such object per line). Paths are
 * relative to the list's folder.
 *
 * @throws GmtlError `infer/manifest` naming the line, `io/not-found` and `io/not-readable`.
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
  const named = new Map<string, { readonly line: number; readonly text: string }>();
  try {
    for await (const row of isJson ? linesOf(file) : rowsOf(file)) {
      line = typeof row === 'string' ? line + 1 : row.info.lines;
      if (row === '') continue;
      const values = typeof row === 'string' ? (JSON.parse(row) as unknown) : withoutEmpty(row.record);
      const { success, data, error } = entrySchema.safeParse(values);
      if (!success)
        throw fail(
          `${error.issues[0].path.join('.') || 'the entry'}: ${error.issues[0].message}; every picture needs a path`,
        );
      const path = resolve(dirname(file), data.path);
      const text = JSON.stringify({ ...data, path });
      const earlier = named.get(path);
      if (earlier && earlier.text !== text)
        throw fail(`${data.path} is in line ${earlier.line} already, and said to be another; keep one of the two`);
      if (!earlier) entries.push({ ...data, path });
      named.set(path, { line, text });
    }
  } catch (cause) {
    if (cause instanceof GmtlError) throw cause;
    if (!(cause instanceof Error)) throw cause;
    // No line of it is at fault.
    if ('syscall' in cause) throw describeReadError(cause, file);
    throw fail(cause.message, cause);
  }
  if (entries.length === 0) throw new GmtlError('infer/manifest', `${file} names no picture`);
  return entries;
}

/** A file's text, piece by piece: UTF-8 or UTF-16, as spreadsheets write it. */
async function* textOf(file: string): AsyncGenerator<string> {
  let decoder: InstanceType<typeof TextDecoder> | null = null;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
    yield decoder.decode(chunk, { stream: true });
  }
  yield decoder?.decode() ?? '';
}

/** The lines of a file. */
const linesOf = (file: string): AsyncIterable<string> =>
  createInterface({ input: Readable.from(textOf(file)), crlfDelay: Number.POSITIVE_INFINITY });

interface ManifestRow {
  readonly record: Readonly<Record<string, string>>;
  readonly info: { readonly lines: number };
}

/** The rows of a CSV under their header, separated by commas, semicolons or tabs. */
async function* rowsOf(file: string): AsyncGenerator<ManifestRow> {
  const pieces = textOf(file);
  const head: string = (await pieces.next()).value ?? '';
  const whole = async function* (): AsyncGenerator<string> {
    yield head;
    yield* pieces;
  };
  const columns = (names: string[]): string[] => {
    const twice = names.find((name, at) => name in entrySchema.shape && names.indexOf(name) < at);
    if (twice === undefined) return names;
    throw new GmtlError('infer/manifest', `${file}, line 1: the column ${twice} is there twice; keep one of the two`);
  };
  const options = { columns, bom: true, skip_empty_lines: true, trim: true, info: true } as const;
  const parser = parse({ ...options, delimiter: separatorOf(head) });
  // What goes wrong ends the parser, which throws it.
  pipeline(Readable.from(whole()), parser, () => undefined);
  yield* parser as AsyncIterable<ManifestRow>;
}

function withoutEmpty(row: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== ''));
}

/** Paths from a stream, one per line: `find … | gmtl infer -`. Empty lines are left out. */
export async function readPaths(stream: AsyncIterable<string | Uint8Array>): Promise<string[]> {
  const paths: string[] = [];
  for await (const line of createInterface({ input: Readable.from(stream), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '') paths.push(line);
  }
  return paths;
}
