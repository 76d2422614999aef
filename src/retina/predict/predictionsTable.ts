/** `predictions.csv` and `predictions.jsonl`: the writer and the reader of the tables that inference and evaluation write, one row per image. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { GmtlError } from '../../engine/errors.ts';
import type { GradedTask, Task } from '../domain.ts';
import type { RunLock } from '../run/lock.ts';
import type { InferInput } from './inputs.ts';
import { COLUMNS, type PredictionColumn, type PredictionRow, type Provenance, typedRow } from './predictionRow.ts';
import { referralCells } from './referral.ts';
import type { Grade, InferResult } from './result.ts';
import { type EncodedRow, TableFiles, type TableFormat } from './tableFiles.ts';
import type { Trust } from './trust.ts';

/** Name of the table in a folder of results. */
export const PREDICTIONS_FILE = 'predictions.csv';

/** The same rows, one JSON object per line: beside the table of `gmtl infer`. */
const PREDICTIONS_LINES = 'predictions.jsonl';

/** Hexadecimal digits of the last column, by which a row that a kill cut short is known. */
const PREPROCESSING_DIGITS = 16;

/** An image that could not be processed, and why. */
export interface FailedInput {
  readonly file: string;
  readonly error: string;
}

/** Whether a header is one of this table's: earlier versions had fewer columns under the same names, in the same order. */
function isOwnHeader(header: readonly string[]): header is PredictionColumn[] {
  const own = COLUMNS.filter((column) => header.includes(column));
  return header.includes('file') && header.includes('error') && own.join() === header.join();
}

/** The gate's answer, with the probability of each task. */
export function gateCells(task: Task, probabilities: Readonly<Record<Task, number>>): PredictionRow {
  return {
    gate: task,
    gate_p: probabilities[task],
    gate_segmentation: probabilities.segmentation,
    gate_classification: probabilities.classification,
  };
}

/** A predicted grade with the probability of every grade, and how unsure it is. */
export function gradeCells(
  task: GradedTask,
  { grade, probabilities, uncertainty }: Omit<Grade, 'name'>,
): PredictionRow {
  return {
    [task]: grade,
    ...Object.fromEntries(probabilities.map((p, index) => [`${task}_p${index}`, p])),
    ...Object.fromEntries(Object.entries(uncertainty).map(([kind, value]) => [`${task}_${kind}`, value])),
  };
}

function dicomCells(dicom: InferResult['dicom']): PredictionRow {
  return {
    frame: dicom?.frame,
    patient: dicom?.patientId,
    study: dicom?.studyUid,
    eye: dicom?.laterality,
    row_spacing: dicom?.pixelSpacing?.[0],
    column_spacing: dicom?.pixelSpacing?.[1],
  };
}

/** What a list of pictures says of one. */
function entryCells({ id, patient, eye }: NonNullable<InferInput['entry']>): PredictionRow {
  return {
    ...(id !== undefined && { id }),
    ...(patient !== undefined && { patient }),
    ...(eye !== undefined && { eye }),
  };
}

/** How unlike the training pictures a picture is, and whether it can be graded. */
export function trustCells({ likeness, gradability }: Trust): PredictionRow {
  return {
    unlike: likeness?.distance,
    gradable: gradability.gradable ? 'yes' : 'no',
    faults: [...new Set(gradability.reasons.map(({ fault }) => fault))].join('; '),
  };
}

function rowOf({
  file,
  frame,
  gate,
  retinopathy,
  edema,
  lesions,
  tiles,
  trust,
  warnings,
  dicom,
  referral,
}: InferResult): PredictionRow {
  const areas = Object.entries(lesions ?? {}).map(
    ([structure, { pixels, share, regions }]): PredictionRow => ({
      [`${structure}_pixels`]: pixels,
      [`${structure}_share`]: share,
      [`${structure}_regions`]: regions,
    }),
  );
  return Object.assign(
    { file, width: frame.width, height: frame.height, tiles, warnings: warnings.join('; ') },
    dicomCells(dicom),
    trustCells(trust),
    gateCells(gate.task, gate.probabilities),
    retinopathy && gradeCells('retinopathy', retinopathy),
    edema && gradeCells('edema', edema),
    referralCells(referral),
    ...areas,
  );
}

/** The table's text. */
export function predictionsCsv(rows: Iterable<PredictionRow>): string {
  return stringify([...rows], { header: true, columns: [...COLUMNS] });
}

/** An image of a data set and the same file inferred on its own get two rows, and so do the frames of a file. */
const keyOf = ({ id, file, frame }: PredictionRow): string => JSON.stringify([id ?? '', file, String(frame || 1)]);

const encode = (row: PredictionRow): EncodedRow => ({
  key: keyOf(row),
  csv: stringify([row], { columns: [...COLUMNS] }),
  line: `${JSON.stringify(typedRow(row))}\n`,
});

const FORMAT: TableFormat = {
  header: predictionsCsv([]),
  isOwnHeader,
  encode,
  isWhole: ({ schema, preprocessing }) => !schema || preprocessing?.length === PREPROCESSING_DIGITS,
};

/** The table of a folder of results, filled image by image. Rows of images that are not processed again stay. */
export class PredictionsTable {
  readonly path: string;
  readonly #files: TableFiles;

  private constructor(path: string, lines: string, lock?: Pick<RunLock, 'confirm'>) {
    this.path = path;
    this.#files = new TableFiles([path, lines], FORMAT, lock);
  }

  /** @param lock see `openResults`. @throws GmtlError `infer/table` where the folder has a file of that name that is not such a table; `io/…` where it cannot be read. */
  static async open(folder: string, lock?: Pick<RunLock, 'confirm'>): Promise<PredictionsTable> {
    const path = join(folder, PREDICTIONS_FILE);
    const lines = join(folder, PREDICTIONS_LINES);
    if (!existsSync(path) && existsSync(lines)) {
      throw new GmtlError(
        'infer/table',
        `${lines} would be replaced, and there is no ${PREDICTIONS_FILE} that it belongs to: move it, or choose another --out`,
      );
    }
    const table = new PredictionsTable(path, lines, lock);
    await table.#files.check();
    return table;
  }

  /**
   * Adds an image's row to both files. One that replaces an earlier row lies at the end until {@link write}.
   *
   * @param input what is known of the picture besides: its entry in a list, the frame that was asked for.
   */
  async add(
    result: InferResult | FailedInput,
    { entry = {}, frame }: Pick<InferInput, 'entry' | 'frame'> = {},
    provenance?: Provenance,
  ): Promise<void> {
    const row: PredictionRow = {
      ...('error' in result ? { ...result, frame } : rowOf(result)),
      ...entryCells(entry),
      ...provenance,
    };
    await this.#files.put(encode(row));
  }

  /** Writes the table where there is none, and puts rows into their places. */
  async write(): Promise<void> {
    await this.#files.settle();
  }
}
