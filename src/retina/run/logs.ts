/**
 * Training logs: one row per batch and one per epoch, as JSON lines (the record) and CSV (the same rows for spreadsheets). Resuming cuts the
 * rows after the checkpoint's step, so that the log reads as if training had never stopped.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, readIfPresent, writeFileAtomicSync } from '../../engine/node/atomic.ts';
import { currentFigure } from '../config/renamed.ts';

export type LogValue = number | string | boolean | null;
/** One row. `step` is the number of optimizer steps done when it was made; it never falls from row to row. */
export type RunLogRow = { readonly step: number } & Readonly<Record<string, LogValue>>;

export interface RunLogOptions {
  /** Keep the rows up to this step and continue after them. Without it the log must not exist yet. */
  readonly resumeStep?: number;
  /** Every step has a row: one that is lacking before `resumeStep` was lost, and resuming would drop it from the CSV as well. Default false. */
  readonly everyStep?: boolean;
  /** CSV columns. Default: the keys of the first row. Name them where later rows have more (validation metrics, say). */
  readonly columns?: readonly string[];
  /** Rows reach the files at least this often while rows arrive, so that the log can be followed. Default 2000 ms. */
  readonly flushIntervalMs?: number;
}

/** A buffered, append-only log `<base>.jsonl` + `<base>.csv`. Call {@link flush} before each checkpoint and {@link close} at the end. */
export class RunLog {
  readonly #base: string;
  readonly #flushIntervalMs: number;
  #columns: readonly string[] | undefined;
  #headerWritten = false;
  #lastStep = -1;
  #jsonText = '';
  #csvText = '';
  #lastWrite = Date.now();
  #files: { json: number; csv: number } | undefined;

  /**
   * @param base path without an ending, e.g. `<run>/batches`.
   * @throws GmtlError `log/exists` when not resuming and the log is there, `log/invalid` when a line other than the last is damaged, or rows are
   * missing where `everyStep` says that there were some.
   */
  constructor(base: string, options: RunLogOptions = {}) {
    this.#base = base;
    this.#columns = options.columns;
    this.#flushIntervalMs = options.flushIntervalMs ?? 2000;
    const text = readIfPresent(`${base}.jsonl`);
    if (options.resumeStep === undefined) {
      if (text !== undefined || readIfPresent(`${base}.csv`) !== undefined) {
        throw new GmtlError(
          'log/exists',
          `${base}.jsonl or .csv exists already. Resume that run, or train into a new folder.`,
        );
      }
    } else {
      this.#rewind(text ?? '', options.resumeStep, options.everyStep === true && text !== undefined);
    }
    this.#open();
  }

  /** Adds a row. @throws GmtlError `log/row` for a column the CSV header lacks or a falling step. */
  append(row: RunLogRow): void {
    if (!Number.isSafeInteger(row.step) || row.step < this.#lastStep) {
      throw new GmtlError('log/row', `${this.#base}: a row of step ${row.step} after one of step ${this.#lastStep}`);
    }
    this.#requireOpen();
    this.#csvText += this.#csvLines(row);
    this.#jsonText += jsonLine(row);
    this.#lastStep = row.step;
    if (this.#jsonText.length > 65_536 || Date.now() - this.#lastWrite >= this.#flushIntervalMs) this.#write();
  }

  /** Writes what is buffered and waits until it is on the disk. @throws GmtlError `io/disk-full` and the like. */
  flush(): void {
    this.#write();
    const files = this.#requireOpen();
    fsyncSync(files.json);
    fsyncSync(files.csv);
  }

  /** Flushes and closes; a closed log takes no more rows. Closing twice is fine. */
  close(): void {
    if (this.#files === undefined) return;
    try {
      this.flush();
    } finally {
      closeSync(this.#files.json);
      closeSync(this.#files.csv);
      this.#files = undefined;
    }
  }

  #write(): void {
    const files = this.#requireOpen();
    try {
      this.#jsonText = writeAll(files.json, this.#jsonText);
      this.#csvText = writeAll(files.csv, this.#csvText);
    } catch (error) {
      throw describeWriteError(error, `${this.#base}.jsonl and .csv`);
    }
    this.#lastWrite = Date.now();
  }

  /** Both files are rebuilt from the JSON lines: a kill between the two writes may have left the CSV behind or ahead. */
  #rewind(text: string, resumeStep: number, mustReach: boolean): void {
    const rows = parseLines(text, `${this.#base}.jsonl`).filter((row) => row.step <= resumeStep);
    const reached = rows.at(-1)?.step ?? 0;
    if (mustReach && reached < resumeStep) {
      throw new GmtlError(
        'log/invalid',
        `${this.#base}.jsonl ends at step ${reached}, and the checkpoint is of step ${resumeStep}: the file was cut. ` +
          `Put it back whole. To go on without these rows, move it and ${this.#base}.csv away.`,
      );
    }
    writeFileAtomicSync(`${this.#base}.jsonl`, rows.map(jsonLine).join(''));
    writeFileAtomicSync(`${this.#base}.csv`, rows.map((row) => this.#csvLines(row)).join(''));
    this.#lastStep = rows.at(-1)?.step ?? -1;
    this.#headerWritten = rows.length > 0;
  }

  #csvLines(row: RunLogRow): string {
    this.#columns ??= Object.keys(row);
    const columns = this.#columns;
    const unknown = Object.keys(row).filter((key) => !columns.includes(key));
    if (unknown.length > 0) {
      throw new GmtlError(
        'log/row',
        `${this.#base}.csv: the column ${unknown.join(', ')} is not in its header (${columns.join(', ')})`,
      );
    }
    const cells = columns.map((column) => csvCell(row[column]));
    const lines = this.#headerWritten ? [cells] : [[...columns], cells];
    this.#headerWritten = true;
    return stringify(lines);
  }

  #open(): void {
    try {
      this.#files = { json: openSync(`${this.#base}.jsonl`, 'a'), csv: openSync(`${this.#base}.csv`, 'a') };
    } catch (error) {
      throw describeWriteError(error, `${this.#base}.jsonl and .csv`);
    }
  }

  #requireOpen(): { json: number; csv: number } {
    if (this.#files === undefined) throw new Error(`the log ${this.#base} is closed`);
    return this.#files;
  }
}

export interface RunLogs {
  readonly batches: RunLog;
  readonly epochs: RunLog;
  flush(): void;
  close(): void;
}

export interface LogOptions {
  /** Keep the rows up to this step and continue after them. Without it the logs must not exist yet. */
  readonly resumeStep?: number | undefined;
  /** CSV columns of each log. Default: the keys of its first row. */
  readonly batchColumns?: readonly string[];
  readonly epochColumns?: readonly string[];
}

/** Opens `batches` and `epochs` in a run folder. @throws GmtlError as {@link RunLog}. */
export function openRunLogs(runFolder: string, options: LogOptions = {}): RunLogs {
  const resume = options.resumeStep === undefined ? {} : { resumeStep: options.resumeStep };
  const batches = new RunLog(join(runFolder, 'batches'), {
    ...resume,
    everyStep: true,
    ...(options.batchColumns && { columns: options.batchColumns }),
  });
  let epochs: RunLog;
  try {
    epochs = new RunLog(join(runFolder, 'epochs'), {
      ...resume,
      ...(options.epochColumns && { columns: options.epochColumns }),
    });
  } catch (error) {
    batches.close();
    throw error;
  }
  return {
    batches,
    epochs,
    flush() {
      batches.flush();
      epochs.flush();
    },
    close() {
      try {
        batches.close();
      } finally {
        epochs.close();
      }
    },
  };
}

/** Reads a log back, columns under their current names; NaN and infinities come back as numbers. A half-written last line is left out. @throws GmtlError `log/invalid`. */
export function readRunLog(path: string): RunLogRow[] {
  const text = readIfPresent(path);
  if (text === undefined) throw new GmtlError('io/not-found', `${path}: no such log. Check the run folder.`);
  return parseLines(text, path);
}

function parseLines(text: string, path: string): RunLogRow[] {
  const lines = text.split('\n');
  // What follows the last line break is empty, or a line whose writing was cut short.
  lines.pop();
  return lines.map((line, index) => {
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (cause) {
      throw damaged(path, index, 'no valid JSON', cause);
    }
    if (typeof row !== 'object' || row === null || !('step' in row) || !Number.isSafeInteger(row.step)) {
      throw damaged(path, index, 'no row with a step');
    }
    return Object.fromEntries(
      Object.entries(row).map(([key, value]) => [currentFigure(key), NON_FINITE.get(value) ?? value]),
    ) as RunLogRow;
  });
}

function damaged(path: string, index: number, what: string, cause?: unknown): GmtlError {
  const message = `${path}, line ${index + 1}: ${what}. The log was edited or damaged: repair or delete the line, then resume.`;
  return new GmtlError('log/invalid', message, { cause });
}

/** JSON has no NaN, and a diverged loss must be seen as one: non-finite numbers are written as their names. */
const NON_FINITE = new Map<unknown, number>([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

function jsonLine(row: RunLogRow): string {
  return `${JSON.stringify(row, (_key, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value))}\n`;
}

/** Text for csv-stringify to quote: left to itself it writes true as 1 and false as an empty cell. */
function csvCell(value: LogValue | undefined): string {
  return value === undefined || value === null ? '' : String(value);
}

/** Returns the rest: nothing. A short write is continued, since writeSync may take less than it was given. */
function writeAll(file: number, text: string): '' {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset);
  return '';
}
