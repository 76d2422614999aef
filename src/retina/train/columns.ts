/** What a run's logs record: the columns of its two tables, and how a validation fills its part of them. */
import type { TrainConfig } from '../config/schema.ts';
import type { Evaluation } from '../metrics/evaluation.ts';
import { meanOfDefined } from '../metrics/inputs.ts';
import { VALIDATION_FIGURES } from '../metrics/validationFigures.ts';
import type { GateCounts } from './epochSums.ts';
import { LOSS_PARTS } from './objective.ts';
import type { StepReport } from './stepReport.ts';

/** Columns of the batch log. */
export const BATCH_COLUMNS = [
  'step',
  'epoch',
  'learningRate',
  ...LOSS_PARTS,
  'weight_segmentation',
  'weight_classification',
  'gradientCosine',
  'gradNorm',
  'lossScale',
  'gateAccuracy',
  'gateSegmentation',
  'gateClassification',
  'seconds',
] as const;

/** Headline figures of the weights themselves, where `val_` columns are those of their averages. */
const RAW_COLUMNS = [
  'raw_total',
  'raw_meanDice',
  'raw_retinopathyQwk',
  'raw_retinopathyAccuracy',
  'raw_anyAuroc',
  'raw_score',
] as const;

/** Columns of the epoch log: training means, then validation. An empty cell (JSON: null) where something was not measured. */
export const EPOCH_COLUMNS: readonly string[] = [
  'step',
  'epoch',
  'learningRate',
  ...LOSS_PARTS.map((part) => `train_${part}`),
  'train_gateAccuracy',
  'train_retinopathyAccuracy',
  'train_edemaAccuracy',
  'train_weight_segmentation',
  'train_weight_classification',
  'train_gradientCosine',
  ...VALIDATION_FIGURES.map(({ column }) => `val_${column}`),
  ...RAW_COLUMNS,
  'seconds',
  'waitShare',
];

/** JSON has no NaN: an empty cell instead. */
export const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** What a step reports of its losses and of how its tasks were weighted, by column. */
export function taughtBy({
  losses,
  weights,
  gradientCosine,
}: StepReport): StepReport['losses'] &
  Readonly<Record<'weight_segmentation' | 'weight_classification' | 'gradientCosine', number>> {
  const { segmentation, classification } = weights;
  return { ...losses, weight_segmentation: segmentation, weight_classification: classification, gradientCosine };
}

/** A row of the batch log. */
export function batchRow(
  report: StepReport,
  at: { readonly step: number; readonly epoch: number; readonly learningRate: number },
  { right, toSegmentation }: GateCounts,
  seconds: number,
): Readonly<Record<(typeof BATCH_COLUMNS)[number], number | null>> & { readonly step: number } {
  const rows = report.tasks.length;
  const taught = Object.entries(taughtBy(report)).map(([column, value]) => [column, finiteOrNull(value)]);
  return {
    ...at,
    ...(Object.fromEntries(taught) as Record<keyof ReturnType<typeof taughtBy>, number | null>),
    gradNorm: report.finite ? report.gradNorm : null,
    lossScale: report.lossScale?.scale ?? null,
    gateAccuracy: right / rows,
    gateSegmentation: toSegmentation,
    gateClassification: rows - toSegmentation,
    seconds,
  };
}

/**
 * Validation's columns of an epoch row. val_total weights the tasks by their configured weights and their share of a batch, whatever
 * loss.weighting makes of them in training: learnt weights would make epochs incomparable.
 */
export function validationColumns(evaluation: Evaluation, config: TrainConfig): Record<string, number> {
  const { losses, gate } = evaluation;
  const { segmentationPerBatch: segmented, classificationPerBatch: graded } = config.data;
  const { loss } = config;
  const share = segmented / (segmented + graded);
  const parts = [
    loss.segmentationWeight * share * (loss.bceWeight * losses.bce + loss.diceWeight * losses.dice),
    loss.classificationWeight * (1 - share) * meanOfDefined([losses.retinopathy, losses.edema]),
    config.training.routing === 'none' ? 0 : loss.gateWeight * losses.gate + loss.gateEntropyWeight * gate.meanEntropy,
  ];
  const total = parts.filter((part) => !Number.isNaN(part)).reduce((sum, part) => sum + part, 0);
  return Object.fromEntries(VALIDATION_FIGURES.map(({ column, of }) => [`val_${column}`, of(evaluation, total)]));
}

/** The `raw_` columns of an epoch row. */
export function rawColumns(evaluation: Evaluation, config: TrainConfig): Record<string, number> {
  const values = validationColumns(evaluation, config);
  return Object.fromEntries(RAW_COLUMNS.map((column) => [column, values[column.replace('raw_', 'val_')]]));
}

/** A log row's numbers under TensorBoard's tags: `batch/<column>` or `epoch/<column>`. */
export function eventTags(
  group: 'batch' | 'epoch',
  row: Readonly<Record<string, number | null>>,
): Record<string, number | null> {
  const tagged = Object.entries(row).filter(([column]) => column !== 'step');
  return Object.fromEntries(tagged.map(([column, value]) => [`${group}/${column}`, value]));
}
