/** Confusion matrices and reliability diagrams of an evaluation's grades, as pictures. */
import { join } from 'node:path';
import { GRADED_TASKS, GRADINGS } from '../domain.ts';
import { writeConfusion } from '../report/confusion.ts';
import { writeReliability } from '../report/reliability.ts';
import type { Evaluation } from '../metrics/evaluation.ts';

/**
 * Writes `confusion_<task>.png` and `reliability_<task>.png` for each grading task that was scored.
 *
 * @returns the files written.
 * @throws GmtlError as `writeFileAtomic`.
 */
export async function writeGradeCharts(folder: string, evaluation: Evaluation): Promise<string[]> {
  const written: string[] = [];
  for (const task of GRADED_TASKS) {
    const { title, shortGrades } = GRADINGS[task];
    const report = evaluation[task];
    if (report === null) continue;
    const confusion = join(folder, `confusion_${task}.png`);
    await writeConfusion(confusion, report.confusion, shortGrades, { title });
    const reliability = join(folder, `reliability_${task}.png`);
    await writeReliability(reliability, report.reliability, { title: `${title}: reliability at temperature 1` });
    written.push(confusion, reliability);
  }
  return written;
}
