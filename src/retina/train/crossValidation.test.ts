/** Tier: no adapter. */
import { expect, it } from 'vitest';
import { formatFolds, summarizeFolds } from './crossValidation.ts';

it('gives mean and sample deviation over the folds in which a figure is defined', () => {
  const fold = (index: number, values: Record<string, number>) => ({
    fold: index,
    folder: `f${index}`,
    epoch: 1,
    values,
  });
  const summary = summarizeFolds([
    fold(0, { val_score: 0.5, val_dice_SE: 0.1 }),
    fold(1, { val_score: 0.7 }),
    fold(2, { val_score: 0.9 }),
  ]);
  // statistics.stdev([.5, .7, .9]) = .2
  expect(summary.figures.val_score.mean).toBeCloseTo(0.7, 12);
  expect(summary.figures.val_score.deviation).toBeCloseTo(0.2, 12);
  expect(summary.figures.val_dice_SE).toEqual({ mean: 0.1, deviation: null, folds: 1 });
  expect(formatFolds(summary).split('\n')).toEqual([
    "Cross-validation over 3 folds: mean ± standard deviation at each fold's best epoch",
    'val_score    0.7000 ± 0.2000',
    'val_dice_SE  0.1000  (defined in 1 of 3 folds)',
  ]);
});
