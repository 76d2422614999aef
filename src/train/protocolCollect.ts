/** What a network says of a set of items, kept as cases and counts from which every figure is made. */
import type { Engine } from '../autograd/engine.ts';
import type { Batch } from '../data/batch.ts';
import { evaluationBatches, type SampleSource } from '../data/loader.ts';
import { type DatasetItem, type Lesion, LESIONS, TASKS } from '../data/types.ts';
import { GmtlError } from '../errors.ts';
import { FrocAccumulator, type GateCase, type GradedCase, SegmentationAccumulator } from '../metrics/index.ts';
import { type MultitaskNet, TASK_INDEX } from '../models/network.ts';
import type { TrainConfig } from './config.ts';
import { type Prediction, predict, type TaskChoice } from './predict.ts';

/** A threshold by structure; 0.5 where it has none. */
export type Thresholds = Readonly<Record<string, number>>;

/** One structure of one picture, whole: truth (non-zero inside) and probabilities, `width` entries a row. */
export type AddMask = (
  id: string,
  lesion: Lesion,
  truth: ArrayLike<number>,
  probability: ArrayLike<number>,
  width: number,
) => void;

/** Predicts pictures [N, S, S, 3] with the experts of a choice, as `predict` does. */
export type Predictor = (images: Float32Array, count: number, choice: TaskChoice) => Promise<readonly Prediction[]>;

/** Scores the masks of items some other way than at the network's resolution: hands every structure of each item to `add`. */
export type MaskScorer = (items: readonly DatasetItem[], add: AddMask) => Promise<void>;

/** A picture as it was predicted, for whoever wants to show it. `prediction` holds the answers of the expert of its own task. */
export interface Seen {
  readonly item: DatasetItem;
  readonly prediction: Prediction;
}

export interface CollectOptions {
  readonly batchSize: number;
  /** Masks are scored at each of these settings. Default: once, at 0.5. */
  readonly thresholds?: readonly Thresholds[];
  /** Lesion-level counts too, which take as long as the network on small pictures. Default false. */
  readonly lesionLevel?: boolean;
  /** Default: `predict`. */
  readonly predictor?: Predictor;
  /** Default: masks are scored at the network's resolution. */
  readonly maskScorer?: MaskScorer;
  readonly onImages?: (done: number, total: number) => void;
  readonly onSeen?: (seen: Seen) => void;
}

/** Masks scored at one setting of thresholds. */
export interface ScoredMasks {
  readonly segmentation: SegmentationAccumulator;
  readonly detections: FrocAccumulator | null;
}

/** Everything {@link collect} gathers. */
export interface Collected {
  readonly images: number;
  readonly lesions: readonly Lesion[];
  /** One entry a setting of thresholds; null where no image has masks. */
  readonly masks: readonly ScoredMasks[] | null;
  readonly retinopathy: readonly GradedCase[];
  readonly edema: readonly GradedCase[];
  readonly gate: readonly GateCase[];
  /** Binary cross-entropy and 1 - mean Dice of each image with masks, at the network's resolution. */
  readonly maskLosses: readonly { readonly bce: number; readonly dice: number }[];
}

/** The natural logarithm's negative; probabilities that are 0 in float32 would give an infinite one. */
export const negativeLog = (probability: number): number => -Math.log(Math.max(probability, 1e-12));

/** Mean binary cross-entropy and 1 - mean Dice of one image: truth one plane a structure, probabilities [pixels, structures]. */
function maskLosses(
  truth: readonly Float32Array[],
  probability: Float32Array,
  smooth: number,
): { bce: number; dice: number } {
  let bce = 0;
  let diceSum = 0;
  for (const [k, plane] of truth.entries()) {
    let intersection = 0;
    let sum = 0;
    for (let pixel = 0; pixel < plane.length; pixel++) {
      const p = probability[pixel * truth.length + k];
      bce += plane[pixel] > 0 ? negativeLog(p) : negativeLog(1 - p);
      intersection += p * plane[pixel];
      sum += p + plane[pixel];
    }
    diceSum += (2 * intersection + smooth) / (sum + smooth);
  }
  return { bce: bce / probability.length, dice: 1 - diceSum / truth.length };
}

/** Every `stride`-th element from `offset`: one structure of interleaved maps. */
export function channel(data: Float32Array, offset: number, stride: number): Float32Array {
  const result = new Float32Array(data.length / stride);
  for (let i = 0; i < result.length; i++) result[i] = data[i * stride + offset];
  return result;
}

/** Which experts a network's own figures are made with: a softly routed network was trained to be blended. */
export function ownChoice(config: TrainConfig, task: (typeof TASKS)[number]): TaskChoice {
  return config.training.routing === 'soft' ? 'soft' : task;
}

/**
 * Runs the network on items: each image by its own task's expert (so that the gate's mistakes do not hide the experts'), the gate
 * on all.
 *
 * @throws GmtlError `data/all-bad` where not one image could be read, and what the sources and metrics throw.
 */
export async function collect(
  engine: Engine,
  model: MultitaskNet,
  items: readonly DatasetItem[],
  source: SampleSource,
  config: TrainConfig,
  options: CollectOptions,
): Promise<Collected> {
  const { lesions } = config.model;
  const { thresholds = [{}], predictor = (images, count, choice) => predict(engine, model, images, count, choice) } =
    options;
  const settings = thresholds.map(
    (threshold): ScoredMasks => ({
      segmentation: new SegmentationAccumulator(lesions, { threshold }),
      detections: options.lesionLevel ? new FrocAccumulator(lesions, { threshold }) : null,
    }),
  );
  const addMask: AddMask = (id, lesion, truth, probability, width) => {
    for (const { segmentation, detections } of settings) {
      segmentation.add(id, lesion, truth, probability);
      detections?.add(id, lesion, { truth, probability, width });
    }
  };
  const retinopathy: GradedCase[] = [];
  const edema: GradedCase[] = [];
  const gate: GateCase[] = [];
  const losses: { bce: number; dice: number }[] = [];
  let done = 0;
  let segmented = 0;

  const segment = (batch: Batch, row: number, masks: Float32Array): void => {
    const { id } = batch.items[row];
    const elements = batch.masks.length / batch.task.length;
    const truth = batch.masks.subarray(row * elements, (row + 1) * elements);
    const planes = lesions.map((lesion) => channel(truth, LESIONS.indexOf(lesion), LESIONS.length));
    losses.push(maskLosses(planes, masks, config.loss.diceSmooth));
    if (options.maskScorer) return;
    segmented++;
    const side = Math.sqrt(planes[0].length);
    lesions.forEach((lesion, index) => {
      addMask(id, lesion, planes[index], channel(masks, index, lesions.length), side);
    });
  };
  const grade = (batch: Batch, row: number, { retino, edema: risk }: Prediction): void => {
    const { id } = batch.items[row];
    if (retino && batch.retino[row] >= 0) {
      retinopathy.push({ id, truth: batch.retino[row], probabilities: retino });
    }
    if (risk && batch.edema[row] >= 0) edema.push({ id, truth: batch.edema[row], probabilities: risk });
  };

  for (const task of TASKS) {
    const own = items.filter((item) => item.task === task);
    for await (const batch of evaluationBatches(own, options.batchSize, source)) {
      const predictions = await predictor(batch.image, batch.task.length, ownChoice(config, task));
      for (let row = 0; row < batch.count; row++) {
        const prediction = predictions[row];
        gate.push({ id: batch.items[row].id, truth: TASK_INDEX[task], probabilities: prediction.gate });
        if (task === 'segmentation' && prediction.masks) segment(batch, row, prediction.masks);
        if (task === 'classification') grade(batch, row, prediction);
        options.onSeen?.({ item: batch.items[row], prediction });
      }
      done += batch.count;
      options.onImages?.(done, items.length);
    }
    if (task === 'segmentation' && options.maskScorer && own.length > 0) {
      const readable = own.filter((item) => gate.some(({ id }) => id === item.id));
      await options.maskScorer(readable, addMask);
      segmented = readable.length;
    }
  }
  if (done === 0) {
    throw new GmtlError(
      'data/all-bad',
      `Not one of the ${items.length} images to score could be read. Run "gmtl data verify".`,
    );
  }
  return {
    images: done,
    lesions,
    masks: segmented > 0 ? settings : null,
    retinopathy,
    edema,
    gate,
    maskLosses: losses,
  };
}
