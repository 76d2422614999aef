/** What cross-validation says of a recipe: each fold's figures at its best epoch, and their mean and spread. */
import { join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { bestMetric } from './best.ts';
import { readFinished } from '../run/finished.ts';
import { type LogRow, readRunLog } from '../run/logs.ts';
import { readRunConfig } from '../run/runFolder.ts';

/** Figures of one fold: the validation columns of its best epoch (of its last where no figure ranked one). */
export interface FoldResult {
  readonly fold: number;
  readonly folder: string;
  readonly epoch: number;
  readonly values: Readonly<Record<string, number>>;
}

export interface FoldSummary {
  readonly folds: readonly FoldResult[];
  /** By figure: over the folds in which it is defined. `deviation` is the sample standard deviation (n - 1); null for one fold. */
  readonly figures: Readonly<
    Record<string, { readonly mean: number; readonly deviation: number | null; readonly folds: number }>
  >;
}

/** Reads a finished fold. @throws GmtlError `run/not-finished`. */
export function readFold(folder: string, fold: number): FoldResult {
  const finished = readFinished(folder);
  if (!finished) throw new GmtlError('run/not-finished', `${folder}: the fold's run is not finished. Resume it first.`);
  const { column } = bestMetric(readRunConfig(folder).training.bestMetric);
  const validated = readRunLog(join(folder, 'epochs.jsonl')).filter((row) => typeof row.val_total === 'number');
  const row: LogRow | undefined =
    validated.find(({ step }) => step === finished.bestStep) ?? validated.at(-1) ?? undefined;
  if (!row) throw new GmtlError('run/not-finished', `${folder}: no validation was logged (looked for ${column})`);
  const values = Object.entries(row).filter(
    (entry): entry is [string, number] => entry[0].startsWith('val_') && Number.isFinite(entry[1]),
  );
  return { fold, folder, epoch: Number(row.epoch), values: Object.fromEntries(values) };
}

/** Mean and sample standard deviation of every figure over the folds. */
export function summariseFolds(folds: readonly FoldResult[]): FoldSummary {
  const names = [...new Set(folds.flatMap(({ values }) => Object.keys(values)))];
  const figures = names.map((name) => {
    const values = folds.map((one) => one.values[name]).filter((value) => value !== undefined);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null;
    return [name, { mean, deviation, folds: values.length }] as const;
  });
  return { folds, figures: Object.fromEntries(figures) };
}

/** The summary as lines of text, one a figure. */
export function formatFolds({ folds, figures }: FoldSummary): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  const lines = Object.entries(figures).map(([name, { mean, deviation, folds: count }]) => {
    const spread = deviation === null ? '' : ` ± ${deviation.toFixed(4)}`;
    const of = count < folds.length ? `  (defined in ${count} of ${folds.length} folds)` : '';
    return `${name.padEnd(width)}  ${mean.toFixed(4)}${spread}${of}`;
  });
  return [
    `Cross-validation over ${folds.length} folds: mean ± standard deviation at each fold's best epoch`,
    ...lines,
  ].join('\n');
}
