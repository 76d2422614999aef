/** The results of `gmtl infer` as a table, for spreadsheets and scripts. */
import { stringify } from 'csv-stringify/sync';
import { LESIONS } from '../data/types.ts';
import { GRADE_COUNTS } from '../models/network.ts';
import type { Grade, InferResult } from './infer.ts';

/** Name of the table in the folder of results. */
export const PREDICTIONS_FILE = 'predictions.csv';

/** An image that could not be looked at, and why. */
export interface FailedInput {
  readonly file: string;
  readonly error: string;
}

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
  ...LESIONS.flatMap((lesion) => [`${lesion}_pixels`, `${lesion}_share`, `${lesion}_regions`]),
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
  for (const lesion of LESIONS) {
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
 * One row an image, in the order given: the gate's task, grades with the probability of each, pixels, share of the frame and regions of each
 * structure. A cell is empty where an expert did not run, the network does not segment the structure, or the image failed (then `error` says why).
 */
export function predictionsCsv(results: readonly (InferResult | FailedInput)[]): string {
  return stringify(
    results.map((result) => ('error' in result ? { ...result } : cells(result))),
    { header: true, columns: COLUMNS },
  );
}
