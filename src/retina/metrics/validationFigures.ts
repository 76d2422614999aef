/** The figures of each validation in training, stated once: their columns in the epoch log, their lines in its charts, and the names under which they rank checkpoints. */
import { GRADED_TASKS, GRADINGS, STRUCTURES } from '../domain.ts';
import { type Evaluation, meanDice, selectionScore } from './evaluation.ts';
import { type FigureEntry, GATE_FIGURES, GRADING_FIGURES, STRUCTURE_FIGURES } from './figures.ts';

export interface ValidationFigure {
  /** The column without its prefix: `val_` of the averaged weights, `raw_` of the weights themselves, `train_` in training. */
  readonly column: string;
  /** Its value; NaN where it is not defined. `total` is the validation's whole loss. */
  readonly of: (evaluation: Evaluation, total: number) => number;
  /** Name of its line in the chart. */
  readonly name: string;
  /** The chart that shows it. */
  readonly panel: 'loss' | 'parts' | 'dice' | 'grading' | 'gate' | 'score';
  /** Its name in `training.bestMetric`. */
  readonly rankedAs: string;
  readonly better: 'high' | 'low';
}

const loss = (column: keyof Evaluation['losses'], name: string): ValidationFigure => ({
  column,
  of: ({ losses }) => losses[column],
  name,
  panel: 'parts',
  rankedAs: `${column}Loss`,
  better: 'low',
});

/** A figure of a catalogue of `figures.ts`, read from a part of the evaluation that may be absent. */
function entry<Report>(
  { of, better = 'high' }: FigureEntry<Report>,
  part: (evaluation: Evaluation) => Report | null | undefined,
  text: Pick<ValidationFigure, 'column' | 'name' | 'panel'> & { readonly rankedAs?: string },
): ValidationFigure {
  const value = (evaluation: Evaluation): number => {
    const report = part(evaluation);
    return (report && of(report)) ?? Number.NaN;
  };
  return { rankedAs: text.column, ...text, of: value, better };
}

/** All of them, in the order of the log's columns. */
export const VALIDATION_FIGURES: readonly ValidationFigure[] = [
  { column: 'total', of: (_, total) => total, name: 'total', panel: 'loss', rankedAs: 'loss', better: 'low' },
  loss('bce', 'masks: cross-entropy'),
  loss('dice', 'masks: 1 − Dice'),
  ...GRADED_TASKS.map((task) => loss(task, GRADINGS[task].name)),
  loss('gate', 'gate'),
  ...STRUCTURES.map((structure) =>
    entry(STRUCTURE_FIGURES.dice, ({ segmentation }) => segmentation?.[structure], {
      column: `dice_${structure}`,
      name: structure,
      panel: 'dice',
    }),
  ),
  { column: 'meanDice', of: meanDice, name: 'mean', panel: 'dice', rankedAs: 'dice', better: 'high' },
  ...GRADED_TASKS.flatMap((task) =>
    Object.values<FigureEntry<NonNullable<Evaluation[typeof task]>>>(GRADING_FIGURES).flatMap((figure) =>
      figure.logged
        ? entry(figure, (evaluation) => evaluation[task], {
            column: `${task}${figure.logged.column}`,
            name: `${task} ${figure.logged.name}`,
            panel: 'grading',
          })
        : [],
    ),
  ),
  entry(GRADING_FIGURES.anyAuroc, ({ retinopathy }) => retinopathy, {
    column: 'anyAuroc',
    name: 'AUROC any retinopathy',
    panel: 'grading',
    rankedAs: 'retinopathyAuroc',
  }),
  entry(GATE_FIGURES.accuracy, ({ gate }) => gate, { column: 'gateAccuracy', name: 'gate', panel: 'gate' }),
  { column: 'score', of: selectionScore, name: 'score', panel: 'score', rankedAs: 'score', better: 'high' },
];

/** The figures of a chart. */
export const validationPanel = (panel: ValidationFigure['panel']): ValidationFigure[] =>
  VALIDATION_FIGURES.filter((one) => one.panel === panel);
