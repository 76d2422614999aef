/** The results of `gmtl infer` as a table, for spreadsheets and scripts. */
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { STRUCTURES, GRADE_COUNTS } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import type { Grade, InferResult } from './image.ts';

/** Name of the table in the folder of results. */
const PREDICTIONS_FILE = 'predictions.csv';

/** An image that could not be looked at, and why. */
export interface FailedInput {
  readonly file: string;
  readonly error: string;
}

/** Milliseconds between writes of the table: it is written whole each time. */
const WRITE_EVERY = 5000;

const GRADES = ['retinopathy', 'edema'] as const;

const gradeColumns = (task: (typeof GRADES)[number]): string[] => [
  task,
  ...Array.from({ length: GRADE_COUNTS[task] }, (_, grade) => `${task}_p${grade}`),
];

const COLUMNS = [
  'file',
  'width',
  'height',
  'gate',
  'gate_p',
  ...GRADES.flatMap(gradeColumns),
  ...STRUCTURES.flatMap((lesion) => [`${lesion}_pixels`, `${lesion}_share`, `${lesion}_regions`]),
  'tiles',
  'warnings',
  'error',
];

const gradeCells = (task: (typeof GRADES)[number], grade: Grade | null): Record<string, number> =>
  grade === null
    ? {}
    : {
        [task]: grade.grade,
        ...Object.fromEntries(grade.probabilities.map((p, index) => [`${task}_p${index}`, p])),
      };

function cells(result: InferResult): Record<string, string | number> {
  const { file, frame, gate, lesions, tiles, warnings } = result;
  const row: Record<string, string | number> = {
    file,
    width: frame.width,
    height: frame.height,
    gate: gate.task,
    gate_p: gate.probability,
    tiles,
    warnings: warnings.join('; '),
  };
  for (const task of GRADES) Object.assign(row, gradeCells(task, result[task]));
  for (const lesion of STRUCTURES) {
    const found = lesions?.[lesion];
    if (!found) continue;
    Object.assign(row, {
      [`${lesion}_pixels`]: found.pixels,
      [`${lesion}_share`]: found.share,
      [`${lesion}_regions`]: found.regions,
    });
  }
  return row;
}

/**
 * `predictions.csv` of a folder of results: one row an image, with the gate's task, grades with the probability of each, pixels, share of the frame
 * and regions of each structure. A cell is empty where an expert did not run, the network does not segment the structure, or the image
 * failed (then `error` says why). Rows of images that are not looked at again stay.
 */
export class PredictionsTable {
  readonly path: string;
  readonly #rows: Map<string, Record<string, string | number>>;
  #written = Number.NEGATIVE_INFINITY;

  private constructor(path: string, rows: Map<string, Record<string, string | number>>) {
    this.path = path;
    this.#rows = rows;
  }

  /** @throws GmtlError `infer/table` where the folder has a file of that name that is no such table; `io/…` where it cannot be read. */
  static open(folder: string): PredictionsTable {
    const path = join(folder, PREDICTIONS_FILE);
    const text = readIfPresent(path);
    if (text === undefined) return new PredictionsTable(path, new Map());
    const foreign = (why: string, cause?: unknown) =>
      new GmtlError('infer/table', `${path} is no table of this command's (${why}): move it, or choose another --out`, {
        cause,
      });
    let lines: string[][];
    try {
      lines = parse(text) as string[][];
    } catch (cause) {
      throw foreign('it cannot be read as CSV', cause);
    }
    const [header = [], ...rows] = lines;
    if (header.join() !== COLUMNS.join()) throw foreign('other columns');
    const records = rows.map((row) => Object.fromEntries(COLUMNS.map((column, index) => [column, row[index]])));
    return new PredictionsTable(path, new Map(records.map((record) => [record.file, record])));
  }

  /** Adds an image's row, over an earlier one, and writes the table if that was some seconds ago. */
  async add(result: InferResult | FailedInput): Promise<void> {
    this.#rows.set(result.file, 'error' in result ? { ...result } : cells(result));
    if (performance.now() - this.#written > WRITE_EVERY) await this.write();
  }

  /** Writes the table, atomically. */
  async write(): Promise<void> {
    await writeFileAtomic(this.path, stringify([...this.#rows.values()], { header: true, columns: COLUMNS }));
    this.#written = performance.now();
  }
}
