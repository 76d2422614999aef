/** `predictions.csv`: the columns, the writer and the reader of the table that inference and evaluation write, one row per image. */
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { GmtlError } from '../../engine/errors.ts';
import { readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import { GRADE_COUNTS, type GradedTask, type Structure, STRUCTURES, type Task } from '../domain.ts';
import type { InferResult } from './result.ts';

/** Name of the table in a folder of results. */
export const PREDICTIONS_FILE = 'predictions.csv';

/** A column of the table; docs/files.md says what each holds. */
type PredictionColumn =
  | 'id'
  | 'file'
  | 'width'
  | 'height'
  | 'task'
  | 'gate'
  | 'gate_p'
  | `gate_${Task}`
  | `${GradedTask}${'' | '_true' | `_p${number}`}`
  | `${Structure}_${'pixels' | 'share' | 'regions' | 'dice'}`
  | 'tiles'
  | 'warnings'
  | 'error';

/** One row of the table; a cell is empty where it is left out or null. */
export type PredictionRow = { readonly [column in PredictionColumn]?: string | number | null };

/** An image that could not be processed, and why. */
export interface FailedInput {
  readonly file: string;
  readonly error: string;
}

/** Milliseconds between writes of the table: it is written whole each time. */
const WRITE_EVERY = 5000;

const gradeColumns = (task: GradedTask): PredictionColumn[] => [
  `${task}_true`,
  task,
  ...Array.from({ length: GRADE_COUNTS[task] }, (_, grade) => `${task}_p${grade}` as const),
];

const COLUMNS: readonly PredictionColumn[] = [
  ...(['id', 'file', 'width', 'height', 'task', 'gate', 'gate_p', 'gate_segmentation', 'gate_classification'] as const),
  ...gradeColumns('retinopathy'),
  ...gradeColumns('edema'),
  ...STRUCTURES.flatMap((structure) =>
    (['pixels', 'share', 'regions', 'dice'] as const).map((figure) => `${structure}_${figure}` as const),
  ),
  ...(['tiles', 'warnings', 'error'] as const),
];

/** The columns that tables of `gmtl infer` had in version 0.1. */
const OLD_COLUMNS = COLUMNS.filter(
  (column) => !/^(id|task|gate_segmentation|gate_classification)$|_(true|dice)$/.test(column),
);

/** The gate's answer, with the probability of each task. */
export function gateCells(task: Task, probabilities: Readonly<Record<Task, number>>): PredictionRow {
  return {
    gate: task,
    gate_p: probabilities[task],
    gate_segmentation: probabilities.segmentation,
    gate_classification: probabilities.classification,
  };
}

/** A predicted grade with the probability of every grade. */
export function gradeCells(task: GradedTask, grade: number, probabilities: readonly number[]): PredictionRow {
  return { [task]: grade, ...Object.fromEntries(probabilities.map((p, index) => [`${task}_p${index}`, p])) };
}

function rowOf({ file, frame, gate, retinopathy, edema, lesions, tiles, warnings }: InferResult): PredictionRow {
  const areas = Object.entries(lesions ?? {}).map(
    ([structure, { pixels, share, regions }]): PredictionRow => ({
      [`${structure}_pixels`]: pixels,
      [`${structure}_share`]: share,
      [`${structure}_regions`]: regions,
    }),
  );
  return Object.assign(
    { file, width: frame.width, height: frame.height, tiles, warnings: warnings.join('; ') },
    gateCells(gate.task, gate.probabilities),
    retinopathy && gradeCells('retinopathy', retinopathy.grade, retinopathy.probabilities),
    edema && gradeCells('edema', edema.grade, edema.probabilities),
    ...areas,
  );
}

/** The table's text. */
export function predictionsCsv(rows: Iterable<PredictionRow>): string {
  return stringify([...rows], { header: true, columns: [...COLUMNS] });
}

/** An image of a data set and the same file inferred on its own get two rows. */
const keyOf = ({ id, file }: PredictionRow): string => JSON.stringify([id ?? '', file]);

/** The table of a folder of results, filled image by image. Rows of images that are not processed again stay. */
export class PredictionsTable {
  readonly path: string;
  readonly #rows: Map<string, PredictionRow>;
  #written = Number.NEGATIVE_INFINITY;
  #writeTook = 0;

  private constructor(path: string, rows: readonly PredictionRow[]) {
    this.path = path;
    this.#rows = new Map(rows.map((row) => [keyOf(row), row]));
  }

  /** @throws GmtlError `infer/table` where the folder has a file of that name that is not such a table; `io/…` where it cannot be read. */
  static open(folder: string): PredictionsTable {
    const path = join(folder, PREDICTIONS_FILE);
    const text = readIfPresent(path);
    if (text === undefined || text.trim() === '') return new PredictionsTable(path, []);
    const foreign = (why: string, cause?: unknown) =>
      new GmtlError('infer/table', `${path} is no table of this command's (${why}): move it, or choose another --out`, {
        cause,
      });
    let lines: string[][];
    try {
      lines = parse(text, { bom: true }) as string[][];
    } catch (cause) {
      throw foreign('it cannot be read as CSV', cause);
    }
    const [header = [], ...cells] = lines;
    const columns = [COLUMNS, OLD_COLUMNS].find((known) => known.join() === header.join());
    if (!columns) throw foreign('other columns');
    const rows = cells.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
    return new PredictionsTable(path, rows);
  }

  /** Adds an image's row, replacing an earlier one, and writes the table if the last write was some time ago. @param id as a list names the image. */
  async add(result: InferResult | FailedInput, id?: string): Promise<void> {
    const row: PredictionRow = { ...(id !== undefined && { id }), ...('error' in result ? result : rowOf(result)) };
    this.#rows.set(keyOf(row), row);
    // A long table takes long to write: at most a twentieth of the time goes into that.
    if (performance.now() - this.#written > Math.max(WRITE_EVERY, 20 * this.#writeTook)) await this.write();
  }

  /** Writes the table, atomically. */
  async write(): Promise<void> {
    const started = performance.now();
    await writeFileAtomic(this.path, predictionsCsv(this.#rows.values()));
    this.#written = performance.now();
    this.#writeTook = this.#written - started;
  }
}
