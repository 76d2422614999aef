/** Sliding-window inference: a network's overlapping tiles blended into maps of a picture of any height in bounded memory. */
import { IMAGENET_NORMALIZATION, type Normalization } from '../data/loading/augment.ts';
import type { RgbImage } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import type { TilePredictor } from './flips.ts';
import { gaussianWindow, TileCutter, type TileEdge, tileStarts } from './tileWindow.ts';

export interface TiledOptions {
  /** Side of a tile in the picture's pixels, which is the network's input side. */
  readonly tile: number;
  /** Number of structures the network segments. */
  readonly classes: number;
  /** Share of a tile that its neighbor also covers. Default 0.25, as MONAI. */
  readonly overlap: number;
  /** Width of the Gaussian importance as a share of the tile. Default 0.125, as MONAI. */
  readonly sigma: number;
  /**
   * How overlapping tiles are blended. `gaussian`: by their pixels' importance. `router`: by the probability of segmentation that the tile's own
   * gate (router) gives; grades are then the tiles' grade probabilities, weighted by their probability of classification.
   */
  readonly fusion: 'gaussian' | 'router';
  readonly edge: TileEdge;
  /** Most tiles that the network sees at once. Default 4. */
  readonly batch: number;
  readonly normalization: Normalization;
}

const DEFAULT_TILED: Omit<TiledOptions, 'tile' | 'classes'> = {
  overlap: 0.25,
  sigma: 0.125,
  fusion: 'gaussian',
  edge: 'shift',
  batch: 4,
  normalization: IMAGENET_NORMALIZATION,
};

/**
 * System A's way: no overlap, mirrored edges, tiles fused by the router. It takes tiles of 2048 frame pixels and shows them to the network at
 * 512: prepare the picture at {@link sideForTiles}`(box.size, 2048, 512)` pixels, which is the same apart from the filter at tile borders.
 */
export const ROUTER_FUSION = { overlap: 0, fusion: 'router', edge: 'reflect' } as const satisfies Partial<TiledOptions>;

/** How a picture is tiled; what is left out follows the configuration. */
export interface Tiling extends Partial<Pick<TiledOptions, 'overlap' | 'sigma' | 'fusion' | 'edge' | 'batch'>> {
  /** Frame pixels that a tile covers along a side, whatever the picture's size; null or absent: as `data.tiles.side` sets it. */
  readonly source?: number | null;
}

/** System A's inference: 2048 frame pixels per tile, no overlap, mirrored edges, tiles and grades fused by the router. */
export const SYSTEM_A_TILING = { ...ROUTER_FUSION, source: 2048 } as const satisfies Tiling;

/** The side at which a square of `size` frame pixels is prepared for tiles of `tile` pixels to show `source` frame pixels each. */
export function sideForTiles(size: number, source: number, tile: number): number {
  return Math.max(1, Math.round((size * tile) / source));
}

/** Receives finished rows top ... top + count - 1, [count, width, classes]; the values are overwritten after the call. */
export type TileRows = (top: number, count: number, values: Float32Array) => void;

export interface TiledSummary {
  readonly tiles: number;
  /** The tiles' mean gate probabilities. */
  readonly gate: Float32Array;
  /** Grade probabilities of the whole picture; null with Gaussian fusion, whose tiles are not pictures to grade, and without such a head. */
  readonly retinopathy: Float32Array | null;
  readonly edema: Float32Array | null;
  readonly peak: TiledPeak;
}

/** Memory used. Sums are kept only for a band as high as one tile, whatever the picture's height. */
export interface TiledPeak {
  /** Sums and weights of the band, its finished rows, and the tiles prepared for the network. */
  readonly accumulatorBytes: number;
  /** The whole process's resident memory at its highest between bands. */
  readonly residentBytes: number;
}

/** Weighted sum of vectors. */
class WeightedMean {
  #sum: Float64Array | null = null;
  #weight = 0;

  add(values: Float32Array | null, weight: number): void {
    if (values === null) return;
    this.#sum ??= new Float64Array(values.length);
    for (let index = 0; index < values.length; index++) this.#sum[index] += weight * values[index];
    this.#weight += weight;
  }

  value(): Float32Array | null {
    return this.#sum && Float32Array.from(this.#sum, (sum) => sum / this.#weight);
  }
}

/** Least weight of a tile: a gate's probability of exactly 0 would leave pixels without any weight. */
const LEAST_WEIGHT = 1e-6;

/**
 * Predicts a picture tile by tile, row of tiles by row of tiles, and hands each row of pixels to `sink` once no further tile touches it, in
 * order from the top. Memory beside the picture: at most tile · width · (2 classes + 1) floats and a batch of tiles.
 *
 * @param run the network; its predictions must have masks (and grades with `router` fusion, if it grades).
 * @throws GmtlError `infer/tiles` for options out of range or a prediction without masks of the right size.
 */
export async function predictTiled(
  run: TilePredictor,
  picture: RgbImage,
  given: Partial<TiledOptions> & Pick<TiledOptions, 'tile' | 'classes'>,
  sink: TileRows,
): Promise<TiledSummary> {
  const { tile, classes, overlap, sigma, fusion, edge, batch, normalization }: TiledOptions = {
    ...DEFAULT_TILED,
    ...given,
  };
  const { width, height } = picture;
  if (!(Number.isInteger(batch) && batch > 0 && Number.isInteger(classes) && classes > 0)) {
    throw new GmtlError('infer/tiles', `batch ${batch}, classes ${classes}: give whole numbers from 1 on.`);
  }
  const lefts = tileStarts(width, tile, overlap, edge);
  const tops = tileStarts(height, tile, overlap, edge);
  const cutter = new TileCutter(picture, tile, edge, normalization);
  const window = fusion === 'gaussian' ? gaussianWindow(tile, sigma) : new Float32Array(tile * tile).fill(1);
  const band = new Band(width, Math.min(tile, height), classes, tile);
  // Batches are of equal size, because a network compiles (and tunes) once per shape: 9 tiles are 3 batches of 3, not 4, 4 and 1.
  const atOnce = Math.ceil(lefts.length / Math.ceil(lefts.length / batch));
  const images = new Float32Array(atOnce * tile * tile * 3);
  const gate = new WeightedMean();
  const retinopathy = new WeightedMean();
  const edema = new WeightedMean();
  let residentBytes = 0;
  let finishedBytes = 0;
  for (const [row, top] of tops.entries()) {
    for (let first = 0; first < lefts.length; first += atOnce) {
      const count = Math.min(atOnce, lefts.length - first);
      for (let index = 0; index < atOnce; index++) {
        // Unused places repeat the last tile; their results are not read.
        cutter.cut(lefts[first + Math.min(index, count - 1)], top, images, index * tile * tile * 3);
      }
      const predictions = await run(images, atOnce);
      for (let index = 0; index < count; index++) {
        const one = predictions[index];
        if (one.masks?.length !== tile * tile * classes) {
          throw new GmtlError(
            'infer/tiles',
            `The tile at (${lefts[first + index]}, ${top}): ${one.masks?.length ?? 'no'} mask values where ${tile}x${tile}x${classes} are ` +
              'needed. Run the segmentation expert on every tile.',
          );
        }
        const [segmentation, classification] = one.gate;
        band.add(
          one.masks,
          window,
          lefts[first + index],
          fusion === 'router' ? Math.max(LEAST_WEIGHT, segmentation) : 1,
        );
        gate.add(one.gate, 1);
        if (fusion === 'router') {
          retinopathy.add(one.retinopathy, Math.max(LEAST_WEIGHT, classification));
          edema.add(one.edema, Math.max(LEAST_WEIGHT, classification));
        }
      }
    }
    const finished = (row + 1 < tops.length ? tops[row + 1] : height) - top;
    const values = band.finish(finished);
    sink(top, finished, values);
    finishedBytes = Math.max(finishedBytes, values.byteLength);
    residentBytes = Math.max(residentBytes, residentNow());
  }
  return {
    tiles: lefts.length * tops.length,
    gate: gate.value() ?? new Float32Array(2),
    retinopathy: retinopathy.value(),
    edema: edema.value(),
    peak: { accumulatorBytes: band.bytes + finishedBytes + images.byteLength, residentBytes },
  };
}

/** Memory of this process, bytes; 0 in browsers, which do not tell. */
function residentNow(): number {
  const { process } = globalThis as { readonly process?: { readonly memoryUsage: { rss(): number } } };
  return process?.memoryUsage.rss() ?? 0;
}

/** Sums of weighted probabilities and of weights over a band of rows. Its first row is that of the current row of tiles. */
class Band {
  readonly #width: number;
  readonly #rows: number;
  readonly #classes: number;
  readonly #tile: number;
  readonly #sums: Float32Array;
  readonly #weights: Float32Array;

  constructor(width: number, rows: number, classes: number, tile: number) {
    this.#width = width;
    this.#rows = rows;
    this.#classes = classes;
    this.#tile = tile;
    this.#sums = new Float32Array(rows * width * classes);
    this.#weights = new Float32Array(rows * width);
  }

  get bytes(): number {
    return this.#sums.byteLength + this.#weights.byteLength;
  }

  /** Adds a tile's maps; what reaches beyond the picture is dropped. */
  add(maps: Float32Array, window: Float32Array, left: number, factor: number): void {
    const classes = this.#classes;
    const columns = Math.min(this.#tile, this.#width - left);
    for (let y = 0; y < this.#rows; y++) {
      for (let x = 0; x < columns; x++) {
        const weight = factor * window[y * this.#tile + x];
        const at = y * this.#width + left + x;
        this.#weights[at] += weight;
        const from = classes * (y * this.#tile + x);
        for (let index = 0; index < classes; index++) this.#sums[classes * at + index] += weight * maps[from + index];
      }
    }
  }

  /** Returns the means of the first `count` rows and moves the band down past them. */
  finish(count: number): Float32Array {
    const classes = this.#classes;
    const pixels = count * this.#width;
    const values = new Float32Array(pixels * classes);
    for (let at = 0; at < pixels; at++) {
      const weight = this.#weights[at];
      // Rounding may carry a mean of ones slightly above one.
      for (let index = 0; index < classes; index++)
        values[classes * at + index] = Math.min(1, this.#sums[classes * at + index] / weight);
    }
    this.#sums.copyWithin(0, pixels * classes);
    this.#sums.fill(0, this.#sums.length - pixels * classes);
    this.#weights.copyWithin(0, pixels);
    this.#weights.fill(0, this.#weights.length - pixels);
    return values;
  }
}
