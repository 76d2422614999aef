/** Joins the tables of shards into the one that a single inference would have written. */
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { GmtlError } from '../../engine/errors.ts';
import { writeOwn } from '../report/ownFiles.ts';
import { PREDICTIONS_FILE } from './predictionsTable.ts';
import { shardOfFolder } from './shard.ts';
import { WORKER_FOLDER } from './workerFolder.ts';

/** What was joined. */
export interface MergeSummary {
  readonly rows: number;
  /** Rows with an error in place of a result. */
  readonly failed: number;
  /** What the rows do not share and one inference would, a line each: the network, its preparation, the version of gmtl. */
  readonly notes: readonly string[];
}

/** How many names a message lists. */
const MOST_NAMED = 10;

const listed = (names: readonly string[]): string =>
  names.slice(0, MOST_NAMED).join(', ') + (names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '');

/**
 * Joins the predictions.csv of folders. Shards of one list (`shard-1-of-4` …) are put back into the list's order, others follow each other.
 *
 * @param expected paths that must be there; null: whatever is there.
 * @throws GmtlError `infer/merge` naming shards or pictures that are missing or double, before anything is written.
 */
export async function mergeTables(
  folders: readonly string[],
  out: string,
  expected: readonly string[] | null,
): Promise<MergeSummary> {
  if (folders.includes('')) throw new GmtlError('infer/merge', 'a folder has an empty name: is a variable unset?');
  const shards = folders.map((folder) => shardOfFolder(basename(resolve(folder))));
  const count = shards[0]?.count ?? null;
  const isWhole = count !== null && shards.every((shard) => shard?.count === count);
  if (isWhole) {
    const have = new Set(shards.map((shard) => shard?.index));
    const missing = Array.from({ length: count }, (_, index) => index + 1).filter((index) => !have.has(index));
    if (missing.length > 0) {
      throw new GmtlError(
        'infer/merge',
        `of ${count} shards these are missing: ${listed(missing.map(String))}. Nothing was written.`,
      );
    }
  }
  const tables = await Promise.all(folders.map((folder) => readTable(join(folder, PREDICTIONS_FILE))));
  const [first] = tables;
  const strange = tables.findIndex(({ header }) => header.join() !== first.header.join());
  if (strange >= 0) {
    throw new GmtlError(
      'infer/merge',
      `${folders[strange]} and ${folders[0]} have tables with other columns: other versions of gmtl wrote them`,
    );
  }
  const all = isWhole
    ? interleave(
        tables,
        shards.map((shard) => (shard?.index ?? 1) - 1),
      )
    : tables.flatMap((table) => table.rows);
  const [file, frame] = [first.header.indexOf('file'), first.header.indexOf('frame')];
  const pictureOf = (row: readonly string[]): string => (row[frame] ? `${row[file]}, frame ${row[frame]}` : row[file]);
  // Workers of a queue may have done a picture twice, one of them killed before it could say so: the same row counts once.
  const once = new Map(all.map((row) => [JSON.stringify(row), row]));
  const rows = folders.every((folder) => basename(resolve(folder)).startsWith(WORKER_FOLDER))
    ? [...once.values()]
    : all;
  const seen = new Map<string, (readonly string[])[]>();
  for (const row of rows) seen.set(pictureOf(row), [...(seen.get(pictureOf(row)) ?? []), row]);
  const double = [...seen].filter(([, own]) => own.length > 1);
  if (double.length > 0) {
    throw new GmtlError(
      'infer/merge',
      `${picturesAre(double.length)} in more than one table: ${listed(double.map(([name]) => name))}. ${whyDouble(
        first.header,
        double.map(([, own]) => own),
      )} Nothing was written.`,
    );
  }
  const present = new Set(rows.map((row) => resolve(row[file])));
  const missing = (expected ?? []).filter((path) => !present.has(resolve(path)));
  if (missing.length > 0) {
    throw new GmtlError(
      'infer/merge',
      `${picturesAre(missing.length)} in no table: ${listed(missing)}. Nothing was written; run their shards again with --resume.`,
    );
  }
  const valuesOf = (column: string): string[] => {
    const at = first.header.indexOf(column);
    return [...new Set(rows.map((row) => row[at] ?? ''))].filter((value) => value !== '');
  };
  const schemas = valuesOf('schema');
  if (schemas.length > 1) {
    throw new GmtlError(
      'infer/merge',
      `the tables are of schemas whose columns mean different things (${listed(schemas)}). Nothing was written; run the older pictures again.`,
    );
  }
  await writeOwn(out, stringify([first.header, ...rows]), 'merge');
  const error = first.header.indexOf('error');
  const notes = SHARED.flatMap(([column, name]) => {
    const values = valuesOf(column);
    return values.length > 1 ? [`the rows are of ${values.length} ${name} (column ${column}: ${listed(values)})`] : [];
  });
  return { rows: rows.length, failed: rows.filter((row) => row[error] !== '').length, notes };
}

const picturesAre = (count: number): string => (count === 1 ? '1 picture is' : `${count} pictures are`);

/** What tells the rows of pictures that are there more than once apart, and what to do about it. */
function whyDouble(header: readonly string[], pictures: readonly (readonly (readonly string[])[])[]): string {
  const differing = header.filter((_, column) =>
    pictures.some((own) => new Set(own.map((row) => row[column])).size > 1),
  );
  if (differing.length === 0) return 'Their rows are the same: name each folder once.';
  const made = MADE_BY.filter((column) => differing.includes(column));
  if (made.length === 0) return `Their rows differ in ${listed(differing)}: leave one of the folders out.`;
  const values = made.map((column) => {
    const own = new Set(pictures.flatMap((rows) => rows.map((row) => row[header.indexOf(column)])));
    return `${column} (${listed([...own])})`;
  });
  return `They were computed by different ${values.join(', ')}, and so their rows differ. Leave out one adapter's folders and run their pictures again on the other.`;
}

/** Columns that say what computed a row, in the words of a message. */
const MADE_BY = ['adapter', 'model', 'gmtl', 'preprocessing'] as const;

/** Of those, what all rows of one inference share, and what it is called where they do not. */
const SHARED = [
  ['model', 'networks'],
  ['preprocessing', 'ways of preparing pictures'],
  ['gmtl', 'versions of gmtl'],
] as const;

interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

async function readTable(path: string): Promise<Table> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new GmtlError(
      'infer/merge',
      `${path}: cannot be read (${(cause as Error).message}). Name folders that gmtl infer wrote.`,
      { cause },
    );
  }
  const cut = (why: string, cause?: unknown): GmtlError =>
    new GmtlError(
      'infer/merge',
      `${path}: ${why}, as where its process was killed. Run it again with --resume (a worker: with --drain), then merge.`,
      { cause },
    );
  if (text !== '' && !text.endsWith('\n')) throw cut('its last row is cut short');
  let lines: string[][];
  try {
    lines = parse(text, { bom: true });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw cut(`damaged (${cause.message})`, cause);
  }
  const [header = [], ...rows] = lines;
  if (!header.includes('file') || !header.includes('error')) {
    throw new GmtlError('infer/merge', `${path} is not a table of gmtl infer: it lacks the columns file and error`);
  }
  return { header, rows };
}

/** Row k of shard i stood at place k * count + i of the list. */
function interleave(tables: readonly Table[], places: readonly number[]): (readonly string[])[] {
  const byPlace = [...tables.keys()].sort((a, b) => places[a] - places[b]).map((index) => tables[index].rows);
  const longest = Math.max(...byPlace.map((rows) => rows.length));
  return Array.from({ length: longest }, (_, k) =>
    byPlace.flatMap((rows) => (k < rows.length ? [rows[k]] : [])),
  ).flat();
}
