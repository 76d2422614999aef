import { STRUCTURES } from '../../domain.ts';
import type { Curve, CurvePanel } from './data.ts';
import { isNumber } from './format.ts';

/** One row of an epoch log: numbers by column; null, NaN or absent where nothing was measured. */
export type LogRow = Readonly<Record<string, number | string | null | undefined>>;

/** A quantity's column of a log, and what the line is called. */
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
    // A line goes on over epochs without a validation; what a NaN was in the log cannot be told from those.
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
    panel('Loss', 'loss', 'free', [...pair('total', 'total'), ['raw_total', 'total, weights not averaged']]),
    panel('Loss by part', 'loss', 'free', [
      ...pair('bce', 'masks: cross-entropy'),
      ...pair('dice', 'masks: 1 − Dice'),
      ...pair('retinopathy', 'retinopathy'),
      ...pair('edema', 'macular edema'),
      ...pair('gate', 'gate'),
    ]),
    panel('Validation Dice by structure', 'Dice', 'share', [
      ...STRUCTURES.map((lesion): Line => [`val_dice_${lesion}`, lesion, { lesion }]),
      ['val_meanDice', 'mean'],
    ]),
    panel('Validation grading', 'share or kappa', 'free', [
      ['val_retinopathyAccuracy', 'retinopathy accuracy'],
      ['val_retinopathyQwk', 'retinopathy kappa'],
      ['val_edemaAccuracy', 'edema accuracy'],
      ['val_edemaQwk', 'edema kappa'],
      ['val_anyAuroc', 'AUROC any retinopathy'],
    ]),
    panel('Gate accuracy', 'share', 'share', pair('gateAccuracy', 'gate')),
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
