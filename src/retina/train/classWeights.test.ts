/** Tier: no adapter. */
import { expect, test } from 'vitest';
import type { DatasetItem, Task } from '../domain.ts';
import { gradeWeights } from './classWeights.ts';
import { trainConfigSchema } from '../config/schema.ts';

const itemsOf = (task: Task, retinopathy: readonly (number | null)[]): DatasetItem[] =>
  retinopathy.map((grade, index) => ({
    id: `${task}/${index}`,
    part: task === 'segmentation' ? 'A' : 'B',
    split: 'train',
    task,
    imagePath: '/nowhere.jpg',
    maskPaths: null,
    retinopathy: grade,
    edema: null,
  }));

const weights = (rule: string, items: DatasetItem[], data = {}): number[] => {
  const config = trainConfigSchema.parse({ loss: { classWeights: rule }, data });
  return [...(gradeWeights(config, items)?.retinopathy ?? [])].map((value) => Number(value.toFixed(4)));
};

const pools = [...itemsOf('segmentation', [2, 3, 3, null]), ...itemsOf('classification', [0, 0, 0, 0, 0, 0, 2, 3])];

test('natural weights give each grade its share among graded pictures', () => {
  const own = weights('natural', pools, { segmentationPerBatch: 4, classificationPerBatch: 4 });
  // A batch holds 3 healthy, 1/2 + 1 of grade 2, 1/2 + 2 of grade 3.
  const drawn = [3, 0, 1.5, 2.5, 0];
  const weighted = own.map((weight, grade) => weight * drawn[grade]);
  const total = weighted.reduce((sum, value) => sum + value, 0);
  expect(weighted.map((value) => value / total)).toEqual(
    [0.75, 0, 0.125, 0.125, 0].map((share) => expect.closeTo(share, 3)),
  );
  expect(total).toBeCloseTo(7, 2);
});

test('natural weights change nothing where grades come from graded pictures only, or from none', () => {
  const alone = pools.map((item) => (item.task === 'segmentation' ? { ...item, retinopathy: null } : item));
  expect(weights('natural', alone)).toEqual([1, 0, 1, 1, 0]);
  expect(weights('natural', itemsOf('segmentation', [2, 3]))).toEqual([1, 1, 1, 1, 1]);
  expect(weights('none', pools)).toEqual([]);
});

test('balanced weights are inverse frequencies', () => {
  expect(weights('balanced', pools)).toEqual([0.6111, 0, 1.8333, 1.2222, 0]);
});
