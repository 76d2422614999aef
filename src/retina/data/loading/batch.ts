/** Batches: rows of pictures and targets, rendered from prepared samples. */
import { type AugmentOptions, drawTransform, IDENTITY, type Normalization } from './augment.ts';
import type { CropBox } from '../pictures/fov.ts';
import type { Sample } from '../pictures/sample.ts';
import { KeyedRandom, STREAMS } from '../../random.ts';
import { renderImage, renderMasks } from './render.ts';
import { drawTile, type TileOptions } from './tiles.ts';
import { type DatasetItem, STRUCTURES } from '../../domain.ts';

/** Rows of pictures and targets, ready for upload. S is the network's side, N the number of rows. */
export interface Batch {
  /** [N, S, S, 3], NHWC, normalized. */
  readonly image: Float32Array;
  /** [N, S, S, 5], NHWC, zeros and ones in the order of `STRUCTURES`; zero on rows without masks. */
  readonly masks: Float32Array;
  /** Shape [N]: 1 where the row's masks are known. With tiles: on tiles only, whole pictures show lesions at another scale. */
  readonly hasMasks: Uint8Array;
  /** Shape [N]: 0 segmentation, 1 classification. Segmentation rows come first. */
  readonly task: Int32Array;
  /** Shape [N]: retinopathy grade, −1 where unknown: so on every tile, whose picture's grade may come from elsewhere in it. */
  readonly retinopathy: Int32Array;
  /** Shape [N]: macular edema risk, −1 where unknown. */
  readonly edema: Int32Array;
  readonly items: readonly DatasetItem[];
  /** Where each row's square lies in its frame. */
  readonly boxes: readonly CropBox[];
  /** Real rows; those beyond repeat the last one to keep N fixed (the last evaluation batch). */
  readonly count: number;
}

/** One row: its item, its sample, and the address of its augmentation. */
export interface BatchRow {
  readonly item: DatasetItem;
  readonly sample: Sample;
  readonly pass: number;
  readonly place: number;
}

export interface RenderOptions {
  readonly size: number;
  readonly normalization: Normalization;
  /** null: no augmentation. */
  readonly augment: AugmentOptions | null;
  readonly seed: number;
  /** Not null: segmentation rows show a tile of their (large) sample instead of all of it. */
  readonly tiles: TileOptions | null;
}

/**
 * Renders rows into a batch. The augmentation and the tile of a row depend on (seed, task, pass, place) only. A generator that stops after
 * each row: a row of 512x512 takes 10 … 20 ms, and the caller may have other work on the same thread.
 */
export function* renderBatch(
  rows: readonly BatchRow[],
  count: number,
  options: RenderOptions,
): Generator<undefined, Batch> {
  const { size, normalization, augment, seed, tiles } = options;
  const pixels = size * size;
  const classes = STRUCTURES.length;
  const isTile = (row: BatchRow): boolean => tiles !== null && row.item.task === 'segmentation';
  const showsMasks = (row: BatchRow): boolean => row.sample.maskBits !== null && (tiles === null || isTile(row));
  const grade = (row: BatchRow, of: 'retinopathy' | 'edema'): number => (isTile(row) ? null : row.item[of]) ?? -1;
  const boxes: CropBox[] = [];
  const batch: Batch = {
    image: new Float32Array(rows.length * pixels * 3),
    masks: new Float32Array(rows.length * pixels * classes),
    hasMasks: Uint8Array.from(rows, (row) => (showsMasks(row) ? 1 : 0)),
    task: Int32Array.from(rows, (row) => (row.item.task === 'segmentation' ? 0 : 1)),
    retinopathy: Int32Array.from(rows, (row) => grade(row, 'retinopathy')),
    edema: Int32Array.from(rows, (row) => grade(row, 'edema')),
    items: rows.map((row) => row.item),
    boxes,
    count,
  };
  for (const [index, row] of rows.entries()) {
    const ofTask = row.item.task === 'segmentation' ? 0 : 64;
    const drawn =
      augment === null
        ? null
        : drawTransform(new KeyedRandom(seed, STREAMS.augment + ofTask, row.pass, row.place), augment);
    const { sample, transform } =
      tiles !== null && isTile(row)
        ? drawTile(row.sample, size, drawn, new KeyedRandom(seed, STREAMS.tile, row.pass, row.place), tiles)
        : { sample: row.sample, transform: drawn ?? IDENTITY };
    renderImage(sample, transform, normalization, size, batch.image, index * pixels * 3);
    if (showsMasks(row)) {
      renderMasks(sample, transform, size, classes, batch.masks, index * pixels * classes);
    }
    boxes.push(sample.box);
    yield;
  }
  return batch;
}

/** A single picture as the network's input [1, S, S, 3], not augmented: for inference on images outside a data set. */
export function imageTensor(sample: Sample, normalization: Normalization): Float32Array {
  const out = new Float32Array(3 * sample.size * sample.size);
  renderImage(sample, IDENTITY, normalization, sample.size, out, 0);
  return out;
}
