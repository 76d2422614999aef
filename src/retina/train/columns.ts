/** What a run's logs record: the columns of its two tables, and how a validation fills its part of them. */
import { STRUCTURES } from '../domain.ts';
import type { TrainConfig } from '../config/resolve.ts';
import { type Evaluation, meanDice, selectionScore } from '../evaluate/evaluate.ts';
import { LOSS_PARTS } from './objective.ts';

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
export const EPOCH_COLUMNS = [
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
  'val_total',
  'val_bce',
  'val_dice',
  'val_retinopathy',
  'val_edema',
  'val_gate',
  ...STRUCTURES.map((lesion) => `val_dice_${lesion}`),
  'val_meanDice',
  'val_retinopathyAccuracy',
  'val_retinopathyQwk',
  'val_edemaAccuracy',
  'val_edemaQwk',
  'val_anyAuroc',
  'val_gateAccuracy',
  'val_score',
  ...RAW_COLUMNS,
  'seconds',
  'waitShare',
] as const;

/** JSON has no NaN: an empty cell instead. */
export const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function meanOfDefined(values: readonly number[]): number {
  const defined = values.filter((value) => !Number.isNaN(value));
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

/**
 * Validation's columns of an epoch row. val_total weights the tasks by their configured weights and their share of a batch, whatever
 * loss.weighting makes of them in training: learnt weights would make epochs incomparable.
 */
export function validationColumns(evaluation: Evaluation, config: TrainConfig): Record<string, number> {
  const { losses, retinopathy, edema, gate, segmentation } = evaluation;
  const { segmentationPerBatch: segmented, classificationPerBatch: graded } = config.data;
  const { loss } = config;
  const share = segmented / (segmented + graded);
  const parts = [
    loss.segmentationWeight * share * (loss.bceWeight * losses.bce + loss.diceWeight * losses.dice),
    loss.classificationWeight * (1 - share) * meanOfDefined([losses.retinopathy, losses.edema]),
    config.training.routing === 'none' ? 0 : loss.gateWeight * losses.gate + loss.gateEntropyWeight * gate.meanEntropy,
  ];
  const columns: Record<string, number> = {
    val_total: parts.filter((part) => !Number.isNaN(part)).reduce((sum, part) => sum + part, 0),
    val_meanDice: meanDice(evaluation),
    val_retinopathyAccuracy: retinopathy?.accuracy ?? Number.NaN,
    val_retinopathyQwk: retinopathy?.quadraticWeightedKappa ?? Number.NaN,
    val_edemaQwk: edema?.quadraticWeightedKappa ?? Number.NaN,
    val_edemaAccuracy: edema?.accuracy ?? Number.NaN,
    val_anyAuroc: retinopathy?.anyAuroc ?? Number.NaN,
    val_gateAccuracy: gate.accuracy,
    val_score: selectionScore(evaluation),
  };
  for (const [name, value] of Object.entries(losses)) columns[`val_${name}`] = value;
  for (const lesion of STRUCTURES) columns[`val_dice_${lesion}`] = segmentation?.[lesion]?.dice ?? Number.NaN;
  return columns;
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
