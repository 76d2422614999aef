import type { Engine } from '../autograd/engine.ts';
import type { Batch } from '../data/batch.ts';
import { evaluationBatches, type SampleSource } from '../data/loader.ts';
import { type DatasetItem, EDEMA_GRADES, LESIONS, RETINO_GRADES, TASKS } from '../data/types.ts';
import { GmtlError } from '../errors.ts';
import {
  type GateCase,
  gateReport,
  type GradedCase,
  gradingIntervals,
  gradingReport,
  type JointCase,
  jointInterval,
  type LesionScores,
  SegmentationAccumulator,
} from '../metrics/index.ts';
import { type MultitaskNet, TASK_INDEX } from '../models/network.ts';
import type { TrainConfig } from './config.ts';
import { type Prediction, predict } from './predict.ts';

/** What the network scores on a set of items. Parts without items are null. */
export interface Evaluation {
  readonly images: number;
  /** At the network's resolution, masks shrunk as in training; by lesion. */
  readonly segmentation: Readonly<Record<string, LesionScores>> | null;
  readonly retinopathy: ReturnType<typeof gradingReport> | null;
  readonly edema: ReturnType<typeof gradingReport> | null;
  readonly intervals: {
    readonly retinopathy: ReturnType<typeof gradingIntervals> | null;
    readonly edema: ReturnType<typeof gradingIntervals> | null;
    readonly joint: ReturnType<typeof jointInterval> | null;
  };
  readonly gate: ReturnType<typeof gateReport>;
  /** Mean losses: binary cross-entropy and 1 - Dice of the masks, cross-entropies of the grades. NaN where absent. */
  readonly losses: {
    readonly bce: number;
    readonly dice: number;
    readonly retino: number;
    readonly edema: number;
    readonly gate: number;
  };
}

export interface EvaluateOptions {
  readonly batchSize: number;
  /** Bootstrap intervals (2,000 resamples). Default true; validation during training leaves them out. */
  readonly intervals?: boolean;
  readonly onImages?: (done: number, total: number) => void;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Probabilities that are 0 in float32 would give an infinite logarithm. */
const negativeLog = (probability: number): number => -Math.log(Math.max(probability, 1e-12));

/** Mean binary cross-entropy and 1 - mean Dice of one image: truth one plane a structure, probabilities [pixels, structures]. */
function maskLosses(
  truth: readonly Float32Array[],
  probability: Float32Array,
  smooth: number,
): { bce: number; dice: number } {
  let bce = 0;
  const dice = truth.map((plane, k) => {
    let intersection = 0;
    let sum = 0;
    for (let pixel = 0; pixel < plane.length; pixel++) {
      const p = probability[pixel * truth.length + k];
      bce += plane[pixel] > 0 ? negativeLog(p) : negativeLog(1 - p);
      intersection += p * plane[pixel];
      sum += p + plane[pixel];
    }
    return (2 * intersection + smooth) / (sum + smooth);
  });
  return { bce: bce / probability.length, dice: 1 - meanOf(dice) };
}

/** Every `stride`-th element from `offset`: one lesion of an interleaved mask. */
function channel(data: Float32Array, offset: number, stride: number): Float32Array {
  const result = new Float32Array(data.length / stride);
  for (let i = 0; i < result.length; i++) result[i] = data[i * stride + offset];
  return result;
}

/**
 * Scores the network on items: each image by its own task's expert (so that the gate's mistakes do not hide the experts'), the gate
 * by its own accuracy.
 */
export async function evaluate(
  engine: Engine,
  model: MultitaskNet,
  items: readonly DatasetItem[],
  source: SampleSource,
  config: TrainConfig,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { lesions } = config.model;
  const channels = lesions.map((lesion) => LESIONS.indexOf(lesion));
  const segmentation = new SegmentationAccumulator(lesions);
  const retino: GradedCase[] = [];
  const edema: GradedCase[] = [];
  const gate: GateCase[] = [];
  const losses = {
    bce: [] as number[],
    dice: [] as number[],
    retino: [] as number[],
    edema: [] as number[],
    gate: [] as number[],
  };
  let segmented = 0;
  let done = 0;

  const score = (batch: Batch, row: number, prediction: Prediction): void => {
    const { id } = batch.items[row];
    const task = batch.task[row];
    gate.push({ id, truth: task, probabilities: prediction.gate });
    losses.gate.push(negativeLog(prediction.gate[task]));
    if (task === TASK_INDEX.segmentation && prediction.masks) {
      segmented++;
      const { masks } = prediction;
      const elements = batch.masks.length / batch.task.length;
      const truth = batch.masks.subarray(row * elements, (row + 1) * elements);
      const planes = channels.map((index) => channel(truth, index, LESIONS.length));
      lesions.forEach((lesion, index) => {
        segmentation.add(id, lesion, planes[index], channel(masks, index, lesions.length));
      });
      const part = maskLosses(planes, masks, config.loss.diceSmooth);
      losses.bce.push(part.bce);
      losses.dice.push(part.dice);
    }
    if (task === TASK_INDEX.segmentation) return;
    if (prediction.retino && batch.retino[row] >= 0) {
      retino.push({ id, truth: batch.retino[row], probabilities: prediction.retino });
      losses.retino.push(negativeLog(prediction.retino[batch.retino[row]]));
    }
    if (prediction.edema && batch.edema[row] >= 0) {
      edema.push({ id, truth: batch.edema[row], probabilities: prediction.edema });
      losses.edema.push(negativeLog(prediction.edema[batch.edema[row]]));
    }
  };

  for (const task of TASKS) {
    const own = items.filter((item) => item.task === task);
    for await (const batch of evaluationBatches(own, options.batchSize, source)) {
      const choice = config.training.routing === 'soft' ? 'soft' : task;
      const predictions = await predict(engine, model, batch.image, batch.task.length, choice);
      for (let row = 0; row < batch.count; row++) score(batch, row, predictions[row]);
      done += batch.count;
      options.onImages?.(done, items.length);
    }
  }

  if (gate.length === 0) {
    throw new GmtlError(
      'data/all-bad',
      `Not one of the ${items.length} images to score could be read. Run "gmtl data verify".`,
    );
  }
  const byId = new Map(edema.map((one) => [one.id, one]));
  const joint = retino.flatMap((dr): JointCase[] => {
    const dme = byId.get(dr.id);
    return dme ? [{ id: dr.id, dr, dme }] : [];
  });
  const withIntervals = options.intervals ?? true;
  return {
    images: done,
    segmentation: segmented > 0 ? segmentation.result() : null,
    retinopathy: retino.length > 0 ? gradingReport(retino, RETINO_GRADES) : null,
    edema: edema.length > 0 ? gradingReport(edema, EDEMA_GRADES) : null,
    intervals: {
      retinopathy: withIntervals && retino.length > 0 ? gradingIntervals(retino, RETINO_GRADES) : null,
      edema: withIntervals && edema.length > 0 ? gradingIntervals(edema, EDEMA_GRADES) : null,
      joint: withIntervals && joint.length > 0 ? jointInterval(joint) : null,
    },
    gate: gateReport(gate, [...TASKS]),
    losses: {
      bce: meanOf(losses.bce),
      dice: meanOf(losses.dice),
      retino: meanOf(losses.retino),
      edema: meanOf(losses.edema),
      gate: meanOf(losses.gate),
    },
  };
}

/** Mean aggregated Dice over the structures that occur; NaN where none does. */
export function meanDice(evaluation: Evaluation): number {
  const values = Object.values(evaluation.segmentation ?? {})
    .map(({ dice }) => dice)
    .filter((value) => !Number.isNaN(value));
  return meanOf(values);
}

/**
 * The figure by which the best checkpoint is chosen, on validation data only: the mean of mean Dice and of the AUROC "no retinopathy
 * or some"; where one is not defined (no such images, one class only) the other alone.
 */
export function selectionScore(evaluation: Evaluation): number {
  const parts = [meanDice(evaluation), evaluation.retinopathy?.anyAuroc ?? Number.NaN].filter(
    (value) => !Number.isNaN(value),
  );
  return parts.length > 0 ? meanOf(parts) : Number.NaN;
}
