/** Runs a network on a set of items and keeps its answers as cases and counts, from which every figure is computed. */
import type { Batch } from '../data/loading/batch.ts';
import { evaluationBatches } from '../data/loading/loader.ts';
import { type DatasetItem, LESIONS, type Structure, STRUCTURES, TASK_INDEX, TASKS } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { FrocAccumulator } from '../metrics/froc.ts';
import type { GateCase } from '../metrics/gate.ts';
import type { GradedCase } from '../metrics/grading.ts';
import type { GradeDecision } from '../metrics/inputs.ts';
import { SegmentationAccumulator } from '../metrics/segmentation.ts';
import type { Prediction } from '../predict/prediction.ts';
import type { Predictor } from '../predict/predictor.ts';

/** A threshold by structure; 0.5 where it has none. */
export type Thresholds = Readonly<Record<string, number>>;

/** One structure's whole map of one picture: truth (non-zero inside) and probabilities, `width` entries per row. Overwritten after the call. */
export interface MaskPlane {
  readonly id: string;
  readonly structure: Structure;
  readonly truth: ArrayLike<number>;
  readonly probability: ArrayLike<number>;
  readonly width: number;
}

/** Scores the masks of items in another way than at the network's resolution: it hands every structure of each item to `add`. */
export type MaskScorer = (items: readonly DatasetItem[], add: (plane: MaskPlane) => void) => Promise<void>;

/** A picture as it was predicted, for display. `prediction` holds the answers of the expert of its own task. */
export interface PredictedItem {
  readonly item: DatasetItem;
  readonly prediction: Prediction;
}

export interface CollectOptions {
  /** Masks are scored at each of these settings. Default: once, at 0.5. */
  readonly thresholds?: readonly Thresholds[];
  /** Lesion-level counts too, which take as long as the network on small pictures. Default false. */
  readonly lesionLevel?: boolean;
  /** Average over the four flips. Default false. */
  readonly flips?: boolean;
  /** Default: masks are scored at the network's resolution. */
  readonly maskScorer?: MaskScorer;
  readonly onImages?: (done: number, total: number) => void;
  readonly onPredicted?: (predicted: PredictedItem) => void;
  /** Sees every structure of every image that is scored. */
  readonly onMask?: (plane: MaskPlane) => void;
}

/** Masks scored at one setting of thresholds. */
export interface ScoredMasks {
  readonly segmentation: SegmentationAccumulator;
  readonly detections: FrocAccumulator | null;
}

/** Everything {@link collect} gathers. */
export interface Collected {
  readonly images: number;
  readonly structures: readonly Structure[];
  /** One entry per setting of thresholds; null where no image has masks. */
  readonly masks: readonly ScoredMasks[] | null;
  readonly retinopathy: readonly GradedCase[];
  readonly edema: readonly GradedCase[];
  readonly gate: readonly GateCase[];
  readonly gradeDecision: GradeDecision;
  /** Binary cross-entropy and 1 - mean Dice of each image with masks. */
  readonly maskLosses: readonly { readonly bce: number; readonly dice: number }[];
}

/** The negative natural logarithm of a probability, clamped: one that is 0 in float32 would give infinity. */
export const negativeLog = (probability: number): number => -Math.log(Math.max(probability, 1e-12));

/** Mean binary cross-entropy and soft Dice of one structure of one image. */
function maskLosses({ truth, probability }: MaskPlane, smooth: number): { bce: number; dice: number } {
  let bce = 0;
  let intersection = 0;
  let sum = 0;
  for (let pixel = 0; pixel < truth.length; pixel++) {
    const p = probability[pixel];
    const inside = truth[pixel] > 0;
    bce += negativeLog(inside ? p : 1 - p);
    if (inside) intersection += p;
    sum += p + (inside ? 1 : 0);
  }
  return { bce: bce / truth.length, dice: (2 * intersection + smooth) / (sum + smooth) };
}

/** Every `stride`-th element from `offset`: one structure of interleaved maps. */
function channel(data: Float32Array, offset: number, stride: number): Float32Array {
  const result = new Float32Array(data.length / stride);
  for (let i = 0; i < result.length; i++) result[i] = data[i * stride + offset];
  return result;
}

/**
 * What a gate could go by between parts of one data set: masks exist only for eyes with lesions, nearly all of which have hard exudates; an eye without a risk
 * of edema has none. Where an item says nothing of exudates, none is told by them; undefined where its labels say nothing.
 */
function kindsOf(items: readonly DatasetItem[]): (item: DatasetItem) => GateCase['kind'] {
  const tellsExudates = items.every(({ maskPaths, edema }) => maskPaths !== null || edema !== null);
  return ({ maskPaths, retinopathy, edema }) => {
    if (maskPaths === null && retinopathy === null && edema === null) return undefined;
    if (tellsExudates && ((edema ?? 0) > 0 || maskPaths?.EX)) return 'hard exudates';
    const isIll = (retinopathy ?? 0) > 0 || (edema ?? 0) > 0 || LESIONS.some((lesion) => maskPaths?.[lesion]);
    return isIll ? 'lesions' : 'none';
  };
}

/**
 * Runs the network on items: each image by its own task's expert (so that the gate's mistakes do not hide the experts'), the gate
 * on all.
 *
 * @throws GmtlError `data/all-bad` where no image could be read, and what the sources and metrics throw.
 */
export async function collect(
  predictor: Predictor,
  items: readonly DatasetItem[],
  options: CollectOptions = {},
): Promise<Collected> {
  const { config, source } = predictor;
  const { structures } = config.model;
  const { thresholds = [{}], flips = false } = options;
  const settings = thresholds.map(
    (threshold): ScoredMasks => ({
      segmentation: new SegmentationAccumulator(structures, { threshold }),
      detections: options.lesionLevel ? new FrocAccumulator(structures, { threshold }) : null,
    }),
  );
  const losses = new Map<string, { bce: number; dice: number }>();
  const addMask = (plane: MaskPlane): void => {
    const { id, structure, truth, probability, width } = plane;
    for (const { segmentation, detections } of settings) {
      segmentation.add(id, structure, truth, probability);
      detections?.add(id, structure, { truth, probability, width });
    }
    const part = maskLosses(plane, config.loss.diceSmooth);
    const sum = losses.get(id) ?? { bce: 0, dice: 0 };
    losses.set(id, {
      bce: sum.bce + part.bce / structures.length,
      dice: sum.dice + (1 - part.dice) / structures.length,
    });
    options.onMask?.(plane);
  };
  const retinopathy: GradedCase[] = [];
  const edema: GradedCase[] = [];
  const gate: GateCase[] = [];
  const kindOf = kindsOf(items);
  const batchSize = Math.max(config.data.segmentationPerBatch, config.data.classificationPerBatch);
  let done = 0;

  const segment = (batch: Batch, row: number, masks: Float32Array): void => {
    const elements = batch.masks.length / batch.task.length;
    const truth = batch.masks.subarray(row * elements, (row + 1) * elements);
    structures.forEach((structure, index) => {
      const plane = channel(truth, STRUCTURES.indexOf(structure), STRUCTURES.length);
      const probability = channel(masks, index, structures.length);
      addMask({ id: batch.items[row].id, structure, truth: plane, probability, width: Math.sqrt(plane.length) });
    });
  };
  const grade = (batch: Batch, row: number, prediction: Prediction): void => {
    const { id } = batch.items[row];
    if (prediction.retinopathy && batch.retinopathy[row] >= 0) {
      retinopathy.push({ id, truth: batch.retinopathy[row], probabilities: prediction.retinopathy });
    }
    if (prediction.edema && batch.edema[row] >= 0) {
      edema.push({ id, truth: batch.edema[row], probabilities: prediction.edema });
    }
  };

  for (const task of TASKS) {
    const own = items.filter((item) => item.task === task);
    const choice = predictor.ownChoice(task);
    for await (const batch of evaluationBatches(own, batchSize, source)) {
      const predictions = await predictor.predict(batch.image, batch.task.length, { choice, flips });
      for (let row = 0; row < batch.count; row++) {
        const prediction = predictions[row];
        const item = batch.items[row];
        gate.push({ id: item.id, truth: TASK_INDEX[task], probabilities: prediction.gate, kind: kindOf(item) });
        if (task === 'segmentation' && prediction.masks && !options.maskScorer) segment(batch, row, prediction.masks);
        if (task === 'classification') grade(batch, row, prediction);
        options.onPredicted?.({ item: batch.items[row], prediction });
      }
      done += batch.count;
      options.onImages?.(done, items.length);
    }
    if (task === 'segmentation' && options.maskScorer && own.length > 0 && predictor.taught.segmentation) {
      await options.maskScorer(own, addMask);
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
    structures,
    masks: losses.size > 0 ? settings : null,
    retinopathy,
    edema,
    gate,
    gradeDecision: config.model.gradeDecision,
    maskLosses: [...losses.values()],
  };
}
