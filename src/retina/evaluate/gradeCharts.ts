/** Confusion matrices and reliability diagrams of an evaluation's grades, as pictures. */
import { join } from 'node:path';
import { writeFileAtomic } from '../../engine/node/atomic.ts';
import { GRADED_TASKS, GRADINGS } from '../domain.ts';
import { renderConfusion } from '../report/confusion.ts';
import { renderReliability } from '../report/reliability.ts';
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
    await writeFileAtomic(confusion, renderConfusion(report.confusion, shortGrades, { title }));
    const reliability = join(folder, `reliability_${task}.png`);
    const options = { title: `${title}: reliability at temperature 1` };
    await writeFileAtomic(reliability, renderReliability(report.reliability, options));
    written.push(confusion, reliability);
  }
  return written;
}
