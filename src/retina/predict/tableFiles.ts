/** The files of a table of predictions, CSV and JSON lines: rows are appended as they come, and put in order at the end. Memory: some 200 bytes per row. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { type CsvError, parse } from 'csv-parse';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, errorCode, temporaryPath } from '../../engine/node/atomic.ts';
import { LOCK_WITHIN, type RunLock } from '../run/lock.ts';

/** Cells by column. */
export type Cells = Readonly<Record<string, string>>;

/** One row in both forms. A later row with the same key takes the place of an earlier one. */
export interface EncodedRow {
  readonly key: string;
  readonly csv: string;
  readonly line: string;
}

/** What a table's rows look like. */
export interface TableFormat {
  readonly header: string;
  readonly isOwnHeader: (header: readonly string[]) => boolean;
  readonly encode: (cells: Cells) => EncodedRow;
  /** Whether a last row that no end of line follows is all there, and not what a kill left of one. */
  readonly isWhole: (cells: Cells) => boolean;
}

/** What a kill left of a row is shorter than this. */
const LONGEST_ROW = 2 ** 16;

/** Both files, opened when there is a row to add. */
export class TableFiles {
  readonly #paths: readonly [csv: string, lines: string];
  readonly #format: TableFormat;
  readonly #lock: Pick<RunLock, 'confirm'> | undefined;
  #ready: Promise<Contents> | null = null;

  /** @param lock on the folder: nothing is written without it. Default: nobody else writes there. */
  constructor(
    paths: readonly [csv: string, lines: string],
    format: TableFormat,
    lock: Pick<RunLock, 'confirm'> | undefined,
  ) {
    this.#paths = paths;
    this.#format = format;
    this.#lock = lock;
  }

  /** Reads an existing table through and changes nothing. @throws GmtlError `infer/table` where it is none of this command's. */
  async check(): Promise<void> {
    for await (const row of this.#stored()) void row;
  }

  /** Adds a row, or puts it in the place of the one with its key. @throws GmtlError as {@link check} and `describeWriteError`. */
  async put(row: EncodedRow): Promise<void> {
    this.#lock?.confirm(LOCK_WITHIN);
    this.#ready ??= this.#renew(this.#stored());
    (await this.#ready).put(row);
  }

  /** Writes both files anew, each atomically, where rows took others' places: each row then lies where the first with its key lay. */
  async settle(): Promise<void> {
    this.#lock?.confirm();
    this.#ready ??= this.#renew(this.#stored());
    const contents = await this.#ready;
    if (contents.isOrdered) return contents.close();
    this.#ready = this.#renew(contents.rows());
    (await this.#ready).close();
    contents.close();
  }

  async #renew(rows: AsyncIterable<EncodedRow> | Iterable<EncodedRow>): Promise<Contents> {
    const [csv, lines] = this.#paths;
    const contents = new Contents(new AppendedFile(temporaryPath(csv)), new AppendedFile(temporaryPath(lines)));
    try {
      contents.csv.append(this.#format.header);
      contents.lines.append('');
      for await (const row of rows) contents.put(row);
      this.#lock?.confirm();
      // In this order: lines alone, after a kill between the two, would count as somebody else's.
      contents.csv.publish(csv);
      contents.lines.publish(lines);
      return contents;
    } catch (error) {
      contents.discard();
      throw error;
    }
  }

  /** The rows of the file as it is. */
  async *#stored(): AsyncGenerator<EncodedRow> {
    const [path] = this.#paths;
    const { header: _, isOwnHeader, encode, isWhole } = this.#format;
    const foreign = (why: string, cause?: unknown) =>
      new GmtlError(
        'infer/table',
        `${path} is not a table of this command's (${why}): move it, or choose another --out`,
        {
          cause,
        },
      );
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0) return;
    let header: readonly string[] | null = null;
    let last: readonly string[] | null = null;
    let read = 0;
    const cellsOf = (row: readonly string[]): Cells =>
      Object.fromEntries((header ?? []).map((column, index) => [column, row[index]]));
    const checked = (row: readonly string[]): EncodedRow => {
      if (row.length !== header?.length) throw foreign('it cannot be read as CSV: rows of different lengths');
      return encode(cellsOf(row));
    };
    const source = createReadStream(path);
    const records = source.pipe(parse({ bom: true, info: true, relax_column_count: true }));
    // A pipe passes no errors on.
    source.on('error', (error) => records.destroy(error));
    try {
      for await (const { record, info } of records as AsyncIterable<Parsed>) {
        if (last) yield checked(last);
        read = info.bytes;
        if (header) last = record;
        else if (isOwnHeader(record)) header = record;
        else if (record.length > 1 || record[0].trim() !== '') throw foreign('other columns');
      }
    } catch (error) {
      if (error instanceof GmtlError) throw error;
      const isCut = header && (error as Partial<CsvError>).code === 'CSV_QUOTE_NOT_CLOSED' && size - read < LONGEST_ROW;
      if (!isCut) throw foreign('it cannot be read as CSV', error);
      if (last) yield checked(last);
      return;
    } finally {
      source.destroy();
    }
    if (!last || !header) return;
    if (endsInNewline(path, size) || (last.length === header.length && isWhole(cellsOf(last)))) yield checked(last);
  }
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly bytes: number };
}

function endsInNewline(path: string, size: number): boolean {
  const file = openSync(path, 'r');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, size - 1);
  closeSync(file);
  return byte[0] === 10;
}

interface Place {
  readonly csv: Piece;
  readonly line: Piece;
}

/** The two files as they grow, and where in them each row lies. */
class Contents {
  readonly csv: AppendedFile;
  readonly lines: AppendedFile;
  readonly #places = new Map<string, Place>();
  /** Whether no row took another's place. */
  isOrdered = true;

  constructor(csv: AppendedFile, lines: AppendedFile) {
    this.csv = csv;
    this.lines = lines;
  }

  put({ key, csv, line }: EncodedRow): void {
    const short = createHash('sha256').update(key).digest('base64url').slice(0, 22);
    const known = this.#places.get(short);
    // A run that goes on has most rows already.
    if (known && this.csv.read(known.csv) === csv) return;
    if (known) this.isOrdered = false;
    this.#places.set(short, { csv: this.csv.append(csv), line: this.lines.append(line) });
  }

  *rows(): Generator<EncodedRow> {
    for (const [key, { csv, line }] of this.#places)
      yield { key, csv: this.csv.read(csv), line: this.lines.read(line) };
  }

  close(): void {
    this.csv.close();
    this.lines.close();
  }

  discard(): void {
    this.csv.discard();
    this.lines.discard();
  }
}

/** Where text lies in a file, in bytes. */
interface Piece {
  readonly start: number;
  readonly bytes: number;
}

/** A file that grows at its end. */
class AppendedFile {
  #path: string;
  #file: number | null = null;
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  #open(): number {
    this.#file ??= openSync(this.#path, 'a+');
    return this.#file;
  }

  /** @throws GmtlError as `describeWriteError`. */
  append(text: string): Piece {
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#open(), bytes, done);
      this.#open();
    } catch (error) {
      throw describeWriteError(error, this.#path);
    }
    const piece = { start: this.#size, bytes: bytes.length };
    this.#size += bytes.length;
    return piece;
  }

  read({ start, bytes }: Piece): string {
    const text = Buffer.alloc(bytes);
    readSync(this.#open(), text, 0, bytes, start);
    return text.toString();
  }

  /** Gives the finished file its name, in place of the one that has it. */
  publish(path: string): void {
    try {
      fsyncSync(this.#open());
      this.close();
      renameSync(this.#path, path);
    } catch (error) {
      throw describeWriteError(error, path);
    }
    this.#path = path;
  }

  /** @throws GmtlError as `describeWriteError`: some file systems say only now that the disk is full. */
  close(): void {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    try {
      closeSync(file);
    } catch (error) {
      throw describeWriteError(error, this.#path);
    }
  }

  /** Removes what was begun, as far as it can be removed: what failed before is what is reported. */
  discard(): void {
    try {
      try {
        this.close();
      } finally {
        rmSync(this.#path, { force: true });
      }
    } catch (error) {
      if (!(error instanceof GmtlError) && errorCode(error) === undefined) throw error;
    }
  }
}
