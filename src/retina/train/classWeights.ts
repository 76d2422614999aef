/** Weights of the grades in their losses. */
import { effectiveNumberWeights } from '../data/loading/effectiveNumber.ts';
import { type DatasetItem, GRADE_COUNTS, type Task } from '../domain.ts';
import type { TrainConfig } from '../config/schema.ts';

function countLabels(labels: readonly (number | null)[], classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) if (label !== null) counts[label]++;
  return counts;
}

function effective(labels: readonly (number | null)[], classes: number): Float32Array {
  return Float32Array.from(effectiveNumberWeights(countLabels(labels, classes), 0.99));
}

function balanced(labels: readonly (number | null)[], classes: number): Float32Array {
  const counts = countLabels(labels, classes);
  const present = counts.filter((count) => count > 0).length;
  const total = counts.reduce((sum, count) => sum + count, 0);
  // As scikit-learn's class_weight='balanced', over the classes that occur; one that does not occur has no say.
  return Float32Array.from(counts, (count) => (count > 0 ? total / (present * count) : 0));
}

/**
 * The factors that make grades weigh as they occur among the pictures of the classification pool, whatever else is drawn: with labels joined,
 * pictures with masks teach grades too, and few of those are healthy. Importance weights p(grade) / q(grade), q that of a batch. All 1 where
 * the pool has no grades to go by.
 */
function natural(
  train: readonly DatasetItem[],
  label: (item: DatasetItem) => number | null,
  classes: number,
  { segmentationPerBatch, classificationPerBatch }: TrainConfig['data'],
): Float32Array {
  const shares = (task: Task): number[] => {
    const pool = train.filter((item) => item.task === task);
    return countLabels(pool.map(label), classes).map((count) => count / Math.max(1, pool.length));
  };
  const graded = shares('classification');
  const drawn = shares('segmentation').map(
    (share, grade) => segmentationPerBatch * share + classificationPerBatch * graded[grade],
  );
  const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
  if (total(graded) === 0) return new Float32Array(classes).fill(1);
  const scale = total(drawn) / total(graded);
  return Float32Array.from(graded, (share, grade) => (share > 0 ? (scale * share) / drawn[grade] : 0));
}

/** One weight per grade by `loss.classWeights`, from the training items; null for none. */
export function gradeWeights(
  { loss, data }: Pick<TrainConfig, 'loss' | 'data'>,
  train: readonly DatasetItem[],
): { retinopathy: Float32Array; edema: Float32Array } | null {
  const { classWeights } = loss;
  if (classWeights === 'none') return null;
  if (typeof classWeights !== 'string') {
    return { retinopathy: Float32Array.from(classWeights.retinopathy), edema: Float32Array.from(classWeights.edema) };
  }
  const weigh = (label: (item: DatasetItem) => number | null, classes: number): Float32Array => {
    if (classWeights === 'natural') return natural(train, label, classes, data);
    return (classWeights === 'balanced' ? balanced : effective)(train.map(label), classes);
  };
  return {
    retinopathy: weigh(({ retinopathy }) => retinopathy, GRADE_COUNTS.retinopathy),
    edema: weigh(({ edema }) => edema, GRADE_COUNTS.edema),
  };
}
