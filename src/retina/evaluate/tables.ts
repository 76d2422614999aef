/** What was measured of each image, as CSV. */
import { stringify } from 'csv-stringify/sync';
import { GRADE_COUNTS, TASKS } from '../domain.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import type { Evaluation } from './evaluate.ts';
import type { Seen } from './collect.ts';
import { routeOf } from './gallery.ts';

type Cell = string | number | null;

const rounded = (value: number | null | undefined): Cell =>
  value === null || value === undefined || !Number.isFinite(value) ? null : Number(value.toFixed(6));

function gradeCells(
  truth: number | null,
  probabilities: Float32Array | null,
  classes: number,
  decision: GradeDecision,
): Cell[] {
  if (probabilities === null) return [truth, null, ...Array<null>(classes).fill(null)];
  return [truth, decideGrade(decision, probabilities, 0, classes), ...Array.from(probabilities, rounded)];
}

/**
 * One row an image: its task, the gate's route, true and predicted grades with the probability of each (at temperature 1), and the Dice of
 * each structure at the threshold 0.5 (empty: not scored, or truth and prediction both empty).
 */
export function predictionsCsv(seen: readonly Seen[], { segmentation, gradeDecision }: Evaluation): string {
  const lesions = Object.keys(segmentation ?? {});
  const header = [
    'id',
    'image',
    'task',
    'routed',
    ...TASKS.map((task) => `p_${task}`),
    'retinopathy',
    'retinopathy_predicted',
    ...Array.from({ length: GRADE_COUNTS.retinopathy }, (_, grade) => `p_retinopathy_${grade}`),
    'edema',
    'edema_predicted',
    ...Array.from({ length: GRADE_COUNTS.edema }, (_, grade) => `p_edema_${grade}`),
    ...lesions.map((lesion) => `dice_${lesion}`),
  ];
  const rows = seen.map(({ item, prediction }): Cell[] => {
    // Only the expert of an image's own task is scored: grades of an image with masks have nothing to be held against.
    const isGraded = item.task === 'classification';
    return [
      item.id,
      item.imagePath,
      item.task,
      routeOf(prediction).task,
      ...Array.from(prediction.gate, rounded),
      ...gradeCells(
        isGraded ? item.retinopathy : null,
        isGraded ? prediction.retinopathy : null,
        GRADE_COUNTS.retinopathy,
        gradeDecision,
      ),
      ...gradeCells(
        isGraded ? item.edema : null,
        isGraded ? prediction.edema : null,
        GRADE_COUNTS.edema,
        gradeDecision,
      ),
      ...lesions.map((lesion) => rounded(segmentation?.[lesion].images.find(({ image }) => image === item.id)?.dice)),
    ];
  });
  return stringify([header, ...rows]);
}

/** The images that the gate sent to the wrong expert, the most confident mistakes first. */
export function misroutesCsv({ gate }: Evaluation): string {
  const rows = gate.misroutes.map(({ id, truth, routed, probability }) => [id, truth, routed, rounded(probability)]);
  return stringify([['id', 'task', 'routed', 'probability'], ...rows]);
}
