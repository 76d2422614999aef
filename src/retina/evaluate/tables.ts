/** What was measured of each image, as CSV. */
import type { GradedTask } from '../domain.ts';
import type { GradeDecision } from '../metrics/inputs.ts';
import { isReferable } from '../metrics/referral.ts';
import { routeOf } from '../predict/prediction.ts';
import type { PredictionRow, Provenance } from '../predict/predictionRow.ts';
import { gateCells, gradeCells, trustCells } from '../predict/predictionsTable.ts';
import { gradeOf } from '../predict/result.ts';
import { referralCells } from '../predict/referral.ts';
import type { Trust } from '../predict/trust.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import { decideReferral } from './applyCalibration.ts';
import type { PredictedItem } from './collect.ts';
import { diceByImage, type Evaluation } from '../metrics/evaluation.ts';

const rounded = (value: number): number => Number(value.toFixed(6));

/** Grade columns of an image: the true grade and, where the expert ran, the predicted one. */
function gradeRow({ item, prediction }: PredictedItem, task: GradedTask, how: GradeDecision): PredictionRow {
  const grade = gradeOf(task, prediction, how);
  return { [`${task}_true`]: item[task], ...(grade && gradeCells(task, grade)) };
}

/** The referral of an image by the run's operating point, beside the one that its true grades ask for. */
function referralRow(
  { item, prediction }: PredictedItem,
  calibration: Calibration | null,
  trust: Trust | null,
): PredictionRow {
  const referral = calibration && decideReferral(calibration, prediction, trust);
  if (!calibration?.referral || !referral) return {};
  const truth = isReferable(calibration.referral.rule, item);
  return { ...(truth !== null && { referral_true: truth ? 'refer' : 'none' }), ...referralCells(referral) };
}

/**
 * The rows of predictions.csv: an item's task, the gate's route, true and predicted grades with the probability of each (at temperature 1), the referral, what
 * the picture itself can be trusted for, and the Dice of each structure at the threshold 0.5 (empty: not scored, or truth and prediction both empty).
 */
export function predictionRows(
  predicted: readonly PredictedItem[],
  evaluation: Evaluation,
  provenance: Provenance,
  calibration: Calibration | null,
  trust: ReadonlyMap<string, Trust> = new Map(),
): PredictionRow[] {
  const { gradeDecision } = evaluation;
  const diceOf = diceByImage(evaluation);
  return predicted.map((one): PredictionRow => {
    const { item, prediction } = one;
    const own = trust.get(item.id) ?? null;
    const [segment, classify] = Array.from(prediction.gate, rounded);
    const dice = Object.entries(diceOf.get(item.id) ?? {}).flatMap(([structure, value]): [string, number][] =>
      Number.isFinite(value) ? [[`${structure}_dice`, rounded(value)]] : [],
    );
    return {
      ...{ id: item.id, file: item.imagePath, task: item.task },
      ...gateCells(routeOf(prediction).task, { segmentation: segment, classification: classify }),
      // Only the expert of an image's own task is scored: predicted grades of an image with masks have no true ones to be compared with.
      ...(item.task === 'classification' && {
        ...gradeRow(one, 'retinopathy', gradeDecision),
        ...gradeRow(one, 'edema', gradeDecision),
        ...referralRow(one, calibration, own),
      }),
      ...(own && trustCells(own)),
      ...Object.fromEntries(dice),
      ...provenance,
    };
  });
}
