/** Cross-validation of a recipe: one run per fold in a folder of its own, then each figure's mean and spread over the folds. */
import { GmtlError } from '../../engine/errors.ts';
import { shellWord } from '../run/shellWord.ts';
import type { TrainConfig } from '../config/schema.ts';
import { CrossValidationFolder } from '../run/crossValidationFolder.ts';
import { openConfigured } from '../run/dataset.ts';
import type { RunLogRow } from '../run/logs.ts';
import type { RunFolder } from '../run/runFolder.ts';
import { bestMetric } from './best.ts';
import { orStop, sayHowFar } from './progress.ts';
import { openToResume } from './resume.ts';
import { trainRun, type TrainRunOptions } from './trainRun.ts';

/**
 * Makes the folders of all folds, each with its configuration and its deal of the images.
 * @param source where the images are, as `openDataset` takes it. @param stop aborting it rejects with its reason. @throws GmtlError `run/exists`, and as `openDataset`.
 */
export async function prepareFolds(
  { folder, preset }: { readonly folder?: string; readonly preset?: string },
  config: TrainConfig,
  folds: number,
  source: string,
  stop?: AbortSignal,
): Promise<CrossValidationFolder> {
  const configOf = (fold: number): TrainConfig => ({ ...config, data: { ...config.data, folds, fold } });
  // The first one tells whether there are pictures enough for all, before all are made.
  const first = await openConfigured(source, configOf(0), orStop(stop, sayHowFar('pictures compared', console.error)));
  const configs = Array.from({ length: folds }, (_, fold) => configOf(fold));
  const datasets = [
    first,
    ...(await Promise.all(configs.slice(1).map((one) => openConfigured(source, one, orStop(stop))))),
  ];
  for (const note of new Set(datasets.flatMap(({ notes }) => notes))) console.error(`note: ${note}`);
  const place = { folder, ...(preset !== undefined && { preset: `${preset}-folds` }) };
  const crossValidation = CrossValidationFolder.create(place);
  try {
    for (const [fold, foldConfig] of configs.entries()) {
      const run = crossValidation.createFold(fold);
      run.writeConfig(foldConfig);
      await run.writeItems(datasets[fold].items);
    }
    await crossValidation.declare(folds);
  } catch (error) {
    // Half made, it would stand in the way of the next try.
    crossValidation.remove();
    throw error;
  }
  return crossValidation;
}

/**
 * Trains every fold that is not finished, one after the other, and summarizes them; false where a fold was asked to stop.
 * @param data where the images are, if not where the folds' lists say. @throws GmtlError `run/folds`, `run/locked`, and as {@link trainRun}.
 */
export async function trainFolds(
  crossValidation: CrossValidationFolder,
  { adapter, stop, data }: Pick<TrainRunOptions, 'adapter' | 'stop'> & { readonly data?: string } = {},
): Promise<boolean> {
  const count = crossValidation.count();
  const runs = Array.from({ length: count }, (_, fold) => crossValidation.fold(fold));
  const lock = await crossValidation.lock();
  try {
    for (const [fold, run] of runs.entries()) {
      if (run.finished()) {
        console.error(`fold ${fold + 1} of ${count} is finished: ${run.path}`);
        continue;
      }
      console.error(`fold ${fold + 1} of ${count}`);
      const prepared = await openToResume(run, data, orStop(stop));
      if (stop?.aborted || !(await trainRun({ run, lock, ...prepared }, { adapter, stop, test: false }))) {
        console.log(`The cross-validation goes on with: npx gmtl train --resume ${shellWord(crossValidation.path)}`);
        return false;
      }
    }
  } finally {
    lock.release();
  }
  const summary = summarizeFolds(runs.map(readFold));
  const text = formatFolds(summary);
  const written = await crossValidation.writeSummary(summary, text);
  console.log(text);
  console.log(`summary     ${written.join(', ')}`);
  return true;
}

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
function readFold(run: RunFolder, fold: number): FoldResult {
  const folder = run.path;
  const finished = run.finished();
  if (!finished) throw new GmtlError('run/not-finished', `${folder}: the fold's run is not finished. Resume it first.`);
  const { column } = bestMetric(run.config().training.bestMetric);
  const validated = run.readLog('epochs').filter((row) => typeof row.val_total === 'number');
  const row: RunLogRow | undefined =
    validated.find(({ step }) => step === finished.bestStep) ?? validated.at(-1) ?? undefined;
  if (!row) throw new GmtlError('run/not-finished', `${folder}: no validation was logged (looked for ${column})`);
  const values = Object.entries(row).filter(
    (entry): entry is [string, number] => entry[0].startsWith('val_') && Number.isFinite(entry[1]),
  );
  return { fold, folder, epoch: Number(row.epoch), values: Object.fromEntries(values) };
}

/** Mean and sample standard deviation of every figure over the folds. */
export function summarizeFolds(folds: readonly FoldResult[]): FoldSummary {
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

/** The summary as lines of text, one per figure. */
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
