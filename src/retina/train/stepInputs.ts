/** What a recorded step reads of a batch: tensors that are written before each replay. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import type { Batch } from '../data/loading/batch.ts';
import { GmtlError } from '../../engine/errors.ts';
import { GRADE_COUNTS, STRUCTURES } from '../domain.ts';
import type { Routes } from '../network/network.ts';
import type { Targets } from './objective.ts';
import type { ArrangedBatch } from '../network/routing.ts';

const ALL_MASKS = STRUCTURES.map((_, index) => index);

export interface StepInputsOptions {
  /** Make room for the noise of gumbel routing. */
  readonly gumbel: boolean;
  /** Index in the batch's masks of each of the network's mask maps. Default: all five. */
  readonly maskChannels?: readonly number[] | undefined;
}

export class StepInputs {
  readonly image: Tensor;
  readonly targets: Targets;
  readonly routes: Routes;
  /** [N, 2] Gumbel numbers and [1], one over their temperature; null with other routings. */
  readonly gumbel: { readonly noise: Tensor; readonly inverseTau: Tensor } | null;
  readonly #maskChannels: readonly number[];

  /** Tensors for batches of this one's shape and routes, not written yet. */
  constructor(engine: Engine, batch: Batch, routes: Routes, { gumbel, maskChannels = ALL_MASKS }: StepInputsOptions) {
    const shape = imageShape(batch);
    const { segmentation, classification } = routes;
    const empty = (extents: readonly number[], dtype: 'f32' | 'i32'): Tensor => engine.empty(extents, { dtype }).keep();
    const graded = classification.length > 0;
    const masked = [segmentation.length, shape[1], shape[2], maskChannels.length];
    this.#maskChannels = maskChannels;
    this.routes = routes;
    this.image = empty(shape, 'f32');
    this.gumbel = gumbel ? { noise: empty([shape[0], 2], 'f32'), inverseTau: empty([1], 'f32') } : null;
    this.targets = {
      task: empty([batch.task.length], 'i32'),
      masks: segmentation.length > 0 ? empty(masked, 'f32') : null,
      retinopathy: graded ? empty([classification.length], 'i32') : null,
      edema: graded ? empty([classification.length], 'i32') : null,
    };
  }

  /** Pictures and labels; the noise is the routing's. */
  write(batch: Batch, { order, routes }: ArrangedBatch): void {
    const { task, masks, retinopathy, edema } = this.targets;
    this.image.write(reorderRows(batch.image, order));
    task.write(Int32Array.from(order, (row) => batch.task[row]));
    masks?.write(
      selectMasks(
        batch,
        routes.segmentation.map((place) => order[place]),
        this.#maskChannels,
      ),
    );
    const labels = (graded: 'retinopathy' | 'edema'): Int32Array =>
      Int32Array.from(routes.classification, (place) => labelOf(batch, graded, order[place]));
    retinopathy?.write(labels('retinopathy'));
    edema?.write(labels('edema'));
  }

  dispose(): void {
    const { image, gumbel, targets } = this;
    for (const tensor of [image, gumbel?.noise, gumbel?.inverseTau, ...Object.values(targets)]) tensor?.dispose();
  }
}

/** A row's label. Throws `train/label` where it is not a grade: the losses would be NaN, and not say for which picture. */
function labelOf(batch: Batch, task: 'retinopathy' | 'edema', row: number): number {
  const label = batch[task][row];
  if (label >= -1 && label < GRADE_COUNTS[task]) return label;
  throw new GmtlError(
    'train/label',
    `row ${row} of a batch (${batch.items[row]?.id}) has the ${task} grade ${label}; grades are 0 to ${GRADE_COUNTS[task] - 1}, or -1 where unknown`,
  );
}

function reorderRows(data: Float32Array, order: readonly number[]): Float32Array {
  if (order.every((row, place) => row === place)) return data;
  const elements = data.length / order.length;
  const result = new Float32Array(data.length);
  order.forEach((row, place) => {
    result.set(data.subarray(row * elements, (row + 1) * elements), place * elements);
  });
  return result;
}

/** The masks of some rows, [rows, H, W, channels]. */
function selectMasks(batch: Batch, rows: readonly number[], channels: readonly number[]): Float32Array {
  const elements = batch.masks.length / batch.task.length;
  const pixels = elements / ALL_MASKS.length;
  const result = new Float32Array(rows.length * pixels * channels.length);
  const whole = channels.length === ALL_MASKS.length && channels.every((channel, index) => channel === index);
  rows.forEach((row, index) => {
    const from = batch.masks.subarray(row * elements, (row + 1) * elements);
    if (whole) {
      result.set(from, index * elements);
      return;
    }
    let at = index * pixels * channels.length;
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (const channel of channels) result[at++] = from[ALL_MASKS.length * pixel + channel];
    }
  });
  return result;
}

export function imageShape(batch: Batch): number[] {
  const rows = batch.task.length;
  const side = Math.sqrt(batch.image.length / rows / 3);
  return [rows, side, side, 3];
}
