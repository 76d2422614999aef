/** What was measured of each image, as CSV. */
import type { GradedTask } from '../domain.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import { routeOf } from '../predict/prediction.ts';
import type { PredictionRow, Provenance } from '../predict/predictionRow.ts';
import { gateCells, gradeCells } from '../predict/predictionsTable.ts';
import type { PredictedItem } from './collect.ts';
import type { Evaluation } from '../metrics/evaluation.ts';

const rounded = (value: number): number => Number(value.toFixed(6));

/** Grade columns of an image: the true grade and, where the expert ran, the predicted one. */
function gradeRow({ item, prediction }: PredictedItem, task: GradedTask, how: GradeDecision): PredictionRow {
  const probabilities = prediction[task];
  return {
    [`${task}_true`]: item[task],
    ...(probabilities && gradeCells(task, decideGrade(how, probabilities), Array.from(probabilities, rounded))),
  };
}

/**
 * The rows of predictions.csv: an item's task, the gate's route, true and predicted grades with the probability of each (at temperature 1), and
 * the Dice of each structure at the threshold 0.5 (empty: not scored, or truth and prediction both empty).
 */
export function predictionRows(
  predicted: readonly PredictedItem[],
  { segmentation, gradeDecision }: Evaluation,
  provenance: Provenance,
): PredictionRow[] {
  return predicted.map((one): PredictionRow => {
    const { item, prediction } = one;
    const [segment, classify] = Array.from(prediction.gate, rounded);
    const dice = Object.entries(segmentation ?? {}).flatMap(([structure, { images }]): [string, number][] => {
      const own = images.find(({ image }) => image === item.id);
      return own && Number.isFinite(own.dice) ? [[`${structure}_dice`, rounded(own.dice)]] : [];
    });
    return {
      ...{ id: item.id, file: item.imagePath, task: item.task },
      ...gateCells(routeOf(prediction).task, { segmentation: segment, classification: classify }),
      // Only the expert of an image's own task is scored: predicted grades of an image with masks have no true ones to be compared with.
      ...(item.task === 'classification' && {
        ...gradeRow(one, 'retinopathy', gradeDecision),
        ...gradeRow(one, 'edema', gradeDecision),
      }),
      ...Object.fromEntries(dice),
      ...provenance,
    };
  });
}
