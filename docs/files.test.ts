/** Tier: no adapter. docs/files.md names every column of a run's logs, and every figure that ranks checkpoints. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BEST_METRICS } from '../src/retina/train/best.ts';
import { BATCH_COLUMNS, EPOCH_COLUMNS } from '../src/retina/train/columns.ts';

const text = readFileSync(new URL('files.md', import.meta.url), 'utf8');
const section = text.slice(text.indexOf('## batches.csv'), text.indexOf('## A report'));

/** `x`, or x's own name without `train_`, or one of a row that stands for all structures. */
const isNamed = (name: string): boolean =>
  [name, name.replace(/^train_/, ''), name.replace(/dice_(HE|EX|SE|OD)$/, 'dice_MA')].some((each) =>
    section.includes(`\`${each}\``),
  );

it('the columns of the logs, and the figures of training.bestMetric', () => {
  const names = [...BATCH_COLUMNS, ...EPOCH_COLUMNS, ...BEST_METRICS.map(({ name }) => name)];
  expect(names.filter((name) => !isNamed(name))).toEqual([]);
});
