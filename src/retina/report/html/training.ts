/** The charts of a training, from its epoch log. */
import { STRUCTURES } from '../../domain.ts';
import { type ValidationFigure, validationPanel } from '../../metrics/validationFigures.ts';
import type { Curve, CurvePanel } from './data.ts';
import { isNumber } from './format.ts';

/** One row of an epoch log: numbers by column; null, NaN or absent where nothing was measured. */
export type LogRow = Readonly<Record<string, number | string | null | undefined>>;

/** A quantity's column in the log, and the name of its line. */
type Line = readonly [column: string, name: string, extra?: Partial<Curve>];

/**
 * The training panels from an epoch log (`train_…`, `val_…`, `raw_…` columns, `learningRate`), by `epoch`. Columns that are absent or
 * never measured draw nothing, and panels without a line are left out.
 */
export function trainingPanels(rows: readonly LogRow[]): CurvePanel[] {
  const numberIn = (row: LogRow, column: string): number | null => {
    const value = row[column];
    return typeof value === 'number' && isNumber(value) ? value : null;
  };
  const curve = ([column, name, extra]: Line): Curve | undefined => {
    // A line continues across epochs without a validation; a NaN in the log is read like such an epoch.
    const points = rows.flatMap((row, index): [number, number][] => {
      const value = numberIn(row, column);
      return value === null ? [] : [[numberIn(row, 'epoch') ?? index + 1, value]];
    });
    return points.length > 0 ? { name, points, ...extra } : undefined;
  };
  const pair = (column: string, name: string): Line[] => [
    [`val_${column}`, `${name} validation`],
    [`train_${column}`, `${name} train`, { dashed: true }],
  ];
  const pairs = (which: ValidationFigure['panel']): Line[] =>
    validationPanel(which).flatMap(({ column, name }) => pair(column, name));
  const validations = (which: ValidationFigure['panel']): Line[] =>
    validationPanel(which).map(({ column, name }): Line => {
      const structure = STRUCTURES.find((one) => one === name);
      return [`val_${column}`, name, structure && { lesion: structure }];
    });
  const panel = (title: string, y: string, scale: CurvePanel['scale'], lines: readonly Line[]): CurvePanel => ({
    title,
    x: 'epoch',
    y,
    scale,
    curves: lines.map(curve).filter((one): one is Curve => one !== undefined),
  });
  const weights = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((column) =>
    /^train_weight_/.test(column),
  );
  return [
    panel('Loss', 'loss', 'free', [...pairs('loss'), ['raw_total', 'total, weights not averaged']]),
    panel('Loss by part', 'loss', 'free', pairs('parts')),
    panel('Validation Dice by structure', 'Dice', 'share', validations('dice')),
    panel('Validation grading', 'share or kappa', 'free', validations('grading')),
    panel('Gate accuracy', 'share', 'share', pairs('gate')),
    panel('Gate entropy', 'nats', 'free', pair('entropy', 'entropy')),
    panel('Selection score', 'score', 'free', [
      ['val_score', 'averaged weights'],
      ['raw_score', 'weights not averaged'],
    ]),
    panel('Learning rate', 'rate', 'free', [['learningRate', 'learning rate']]),
    panel(
      'Weights of the tasks',
      'weight',
      'free',
      weights.map((column): Line => [column, column.replace('train_weight_', '')]),
    ),
    panel('Cosine between the tasks’ gradients on the trunk', 'cosine', 'cosine', [
      ['train_gradientCosine', 'segmentation and grading'],
    ]),
  ].filter(({ curves }) => curves.length > 0);
}
