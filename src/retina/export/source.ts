/** What every export format starts from, a run's weights with all that is known about them, and what a format is. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { readIfPresent } from '../../engine/node/atomic.ts';
import { runModelCard, type TaskCounts } from '../evaluate/modelCard.ts';
import type { ModelCard } from '../report/html/data.ts';
import { readCalibration } from '../run/calibration.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import type { WeightsKind } from '../run/checkpoints.ts';
import { RUN_FILES } from '../run/fileNames.ts';
import { RunFolder } from '../run/runFolder.ts';
import { parseStored } from '../run/storedJson.ts';
import type { TrainingSet } from '../run/trainingSetFormat.ts';
import type { Opset } from '../../engine/onnx/graph.ts';
import type { ExportTask } from './forward.ts';
import { loadTrainedWeights, type TrainedWeights } from '../run/trainedWeights.ts';

/** A trained network with its papers. */
export interface ExportSource {
  /** Name of the run's folder, or of the weights' file. */
  readonly name: string;
  readonly trained: TrainedWeights;
  /** Number of parameters, as PyTorch counts them: without running statistics. */
  readonly parameters: number;
  /** Null where `gmtl evaluate` has not fitted one. */
  readonly calibration: Calibration | null;
  /** Fingerprint of the pictures it was trained on (`summarizeDataset`); null where it is not recorded. */
  readonly dataFingerprint: string | null;
  /** What it was trained on; null where that is not recorded. */
  readonly trainingSet: TrainingSet | null;
  readonly card: ModelCard;
  /** Figures on the test split; empty where it was not scored. */
  readonly figures: readonly TestFigure[];
}

export interface TestFigure {
  readonly name: string;
  readonly value: number;
  /** Images it was computed on. */
  readonly cases: number;
}

/** What a user may choose of an export; a format reads what concerns it. */
export interface ExportOptions {
  /** The experts that are exported; the gate always is. Default both. */
  readonly task?: ExportTask;
  /** ONNX's operator set. Default 17. */
  readonly opset?: Opset;
  /** Whether the run's temperatures and thresholds are used where it has them. Default true. */
  readonly calibrated?: boolean;
}

/** What `BatchNorm2d` keeps beside its parameters. */
const RUNNING_STATISTIC = /(^|\.)(running_mean|running_var|num_batches_tracked)$/;

/** One format: what it is, and the files that it makes of a trained network. */
export interface ExportFormat {
  /** For `--help`. */
  readonly description: string;
  /** The files by name, in the order in which they are written: the last one makes the folder complete. */
  files(source: ExportSource, options: ExportOptions): Promise<ReadonlyMap<string, string | Uint8Array>>;
}

/**
 * @param path as `loadTrainedWeights` takes it. Calibration, model card and figures come from the run's folder.
 * @throws GmtlError as `loadTrainedWeights` and `readCalibration`.
 */
export async function openExportSource(path: string, config?: string, kind?: WeightsKind): Promise<ExportSource> {
  const trained = await loadTrainedWeights(path, config, kind);
  const folder = runFolderOf(path, trained.path);
  const parameters = [...trained.weights].reduce(
    (sum, [name, { data }]) => sum + (RUNNING_STATISTIC.test(name) ? 0 : data.length),
    0,
  );
  const counts = folder === null ? null : countsOf(folder);
  const trainingSet = folder === null ? null : new RunFolder(folder).trainingSet();
  return {
    name: basename(folder ?? resolve(path)).replace(/\.(safetensors|json)$/, ''),
    trained,
    parameters,
    calibration:
      folder !== null && existsSync(join(folder, RUN_FILES.calibration)) ? await readCalibration(folder) : null,
    dataFingerprint: (folder === null ? null : new RunFolder(folder).environment()?.data?.sha256) ?? null,
    trainingSet,
    card: runModelCard(trained.config, parameters, counts, trainingSet),
    figures: folder === null ? [] : testFigures(folder),
  };
}

/** The run that weights belong to: the folder given, or one above its checkpoints; null for weights on their own. */
function runFolderOf(given: string, weights: string): string | null {
  const near = [resolve(given), dirname(resolve(weights)), dirname(dirname(resolve(weights)))];
  return near.find((folder) => existsSync(join(folder, RUN_FILES.config))) ?? null;
}

const itemsSchema = z.array(
  z.object({ split: z.enum(['train', 'val', 'test']), task: z.enum(['segmentation', 'classification']) }),
);

/** Counted from the run's list, whose pictures need not be here; null without a list. */
function countsOf(folder: string): TaskCounts | null {
  const path = join(folder, RUN_FILES.metadata);
  const text = readIfPresent(path);
  if (text === undefined) return null;
  const damaged = { path, code: 'data/metadata-json', remedy: 'Restore it from a copy of the run.' } as const;
  const items = parseStored(itemsSchema, text, damaged);
  const count = (split: string, task: string): number =>
    items.filter((item) => item.split === split && item.task === task).length;
  const of = (split: string) => ({
    segmentation: count(split, 'segmentation'),
    classification: count(split, 'classification'),
  });
  return { train: of('train'), val: of('val'), test: of('test') };
}

const gradingSchema = z.looseObject({ cases: z.number(), quadraticWeightedKappa: z.number().nullable() }).nullish();
const testSchema = z.looseObject({
  segmentation: z
    .record(
      z.string(),
      z.looseObject({
        dice: z.number().nullable(),
        perImage: z.looseObject({ images: z.number(), emptyImages: z.number() }),
      }),
    )
    .nullish(),
  retinopathy: gradingSchema,
  edema: gradingSchema,
});

/** The figures that a reader of a model card wants first. */
function testFigures(folder: string): TestFigure[] {
  const path = join(folder, RUN_FILES.test);
  const text = readIfPresent(path);
  if (text === undefined) return [];
  const test = parseStored(testSchema, text, { path, code: 'run/test', remedy: 'Restore it, or delete it.' });
  const structures = Object.entries(test.segmentation ?? {}).map(([structure, { dice, perImage }]) => ({
    name: `Dice of ${structure}`,
    value: dice,
    cases: perImage.images + perImage.emptyImages,
  }));
  const grades = (['retinopathy', 'edema'] as const).flatMap((task) => {
    const report = test[task];
    return report
      ? [{ name: `Quadratic weighted kappa of ${task}`, value: report.quadraticWeightedKappa, cases: report.cases }]
      : [];
  });
  return [...structures, ...grades].flatMap(({ name, value, cases }) =>
    value === null ? [] : [{ name, value, cases }],
  );
}
