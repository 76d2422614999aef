/** The names of a run's files, each stated once. docs/files.md tells who writes them and what they hold. */

/** What a run folder holds under a name that never changes. */
export const RUN_FILES = {
  config: 'config.json',
  metadata: 'metadata.json',
  pictures: 'pictures.json',
  environment: 'environment.json',
  trainingSet: 'training-set.json',
  lock: 'run.lock',
  checkpoints: 'checkpoints',
  batches: 'batches.jsonl',
  batchesTable: 'batches.csv',
  epochs: 'epochs.jsonl',
  epochsTable: 'epochs.csv',
  ranks: 'ranks.jsonl',
  ranksTable: 'ranks.csv',
  misroutes: 'misroutes.csv',
  tensorboard: 'tensorboard',
  init: 'init.json',
  finished: 'finished.json',
  test: 'test.json',
  rawTest: 'test-raw.json',
  curves: 'curves.png',
  calibration: 'calibration.json',
} as const;

/** The calibration of an ensemble, in the folder of its first run. @param hash of the ensemble's weights. */
export const ensembleCalibrationName = (hash: string): string => `calibration-${hash.slice(0, 16)}.json`;

/** The folder in a run for the report that training ends with. Not among the files above: its name is a common word. */
export const REPORT_FOLDER = 'report';

/** What a cross-validation's folder holds beside its folds. */
export const CROSS_VALIDATION_FILES = {
  folds: 'folds.json',
  summary: 'summary.json',
  summaryText: 'summary.txt',
} as const;

/** The folder of a fold, counted from 0. */
export const foldName = (fold: number): string => `fold-${fold + 1}`;

/** What a finished run's files are called, each with the run's time stamp in its name. */
export const stampedNames = (stamp: string) =>
  ({
    bestModel: `best_model_${stamp}.safetensors`,
    finalModel: `final_model_${stamp}.safetensors`,
    metricsPlot: `metrics_plot_${stamp}.png`,
  }) as const;
