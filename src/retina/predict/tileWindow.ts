/** Where the tiles of a sliding window lie, what each of their pixels weighs, and how they are cut. */
import type { Normalization } from '../data/loading/augment.ts';
import type { RgbImage } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';

/**
 * What happens at the picture's far edges. `shift`: the last tile is moved inwards until it ends with the picture, so that the network
 * never sees made-up pixels (MONAI's `sliding_window_inference` does this too; a picture smaller than a tile is padded with
 * black). `reflect`: tiles keep their step, and what lies beyond the picture is mirrored about its last pixel.
 */
export type TileEdge = 'shift' | 'reflect';

/**
 * First pixels of the tiles that cover `length` pixels, ascending.
 *
 * @param overlap share of a tile that the next one covers again, 0 <= overlap < 1.
 * @throws GmtlError `infer/tiles` for sizes or an overlap out of range.
 */
export function tileStarts(length: number, tile: number, overlap: number, edge: TileEdge): number[] {
  if (!(Number.isInteger(length) && length > 0 && Number.isInteger(tile) && tile > 0 && overlap >= 0 && overlap < 1)) {
    throw new GmtlError(
      'infer/tiles',
      `Tiles of ${tile} over ${length} pixels, overlapping by ${overlap}: sizes are whole numbers from 1 on, an overlap is in [0, 1).`,
    );
  }
  const step = Math.max(1, Math.floor(tile * (1 - overlap)));
  const starts = [0];
  while (starts[starts.length - 1] + tile < length) starts.push(starts[starts.length - 1] + step);
  const last = starts.length - 1;
  if (edge === 'shift' && last > 0) starts[last] = length - tile;
  return starts;
}

/**
 * Gaussian importance of a tile's pixels, 1 in the middle: exp(-(x² + y²) / (2 (sigma · tile)²)) about the tile's center, at least
 * 1e-3 (MONAI's `compute_importance_map` with its floor). [tile, tile]
 */
export function gaussianWindow(tile: number, sigma: number): Float32Array {
  if (!(sigma > 0))
    throw new GmtlError('infer/tiles', `sigma ${sigma}: give the width as a positive share of the tile.`);
  const width = sigma * tile;
  const line = Float64Array.from({ length: tile }, (_, at) => {
    const distance = at - (tile - 1) / 2;
    return Math.exp(-(distance * distance) / (2 * width * width));
  });
  const window = new Float32Array(tile * tile);
  for (let y = 0; y < tile; y++) {
    for (let x = 0; x < tile; x++) window[y * tile + x] = Math.max(1e-3, line[y] * line[x]);
  }
  return window;
}

/** Position `at` mirrored into 0 ... length - 1 about the first and the last pixel, which are not repeated (NumPy's `reflect`). */
export function mirrored(at: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const within = ((at % period) + period) % period;
  return within < length ? within : period - within;
}

/** Cuts tiles out of a picture as the network's input. */
export class TileCutter {
  readonly picture: RgbImage;
  readonly tile: number;
  readonly edge: TileEdge;
  /** Normalized value of each byte, by channel. */
  readonly #values: readonly Float32Array[];

  constructor(picture: RgbImage, tile: number, edge: TileEdge, normalization: Normalization) {
    this.picture = picture;
    this.tile = tile;
    this.edge = edge;
    this.#values = normalization.mean.map((mean, channel) => {
      const std = normalization.std[channel];
      return Float32Array.from({ length: 256 }, (_, value) => value * (1 / (255 * std)) - mean / std);
    });
  }

  /** Writes the tile at (left, top), normalized [tile, tile, 3], to `out` from `start` on. */
  cut(left: number, top: number, out: Float32Array, start: number): void {
    const { tile, edge } = this;
    const { width, height, data } = this.picture;
    const [red, green, blue] = this.#values;
    let at = start;
    for (let y = top; y < top + tile; y++) {
      const row = y < height ? y : edge === 'reflect' ? mirrored(y, height) : -1;
      for (let x = left; x < left + tile; x++, at += 3) {
        const column = x < width ? x : edge === 'reflect' ? mirrored(x, width) : -1;
        const outside = row < 0 || column < 0;
        const pixel = 3 * (row * width + column);
        out[at] = red[outside ? 0 : data[pixel]];
        out[at + 1] = green[outside ? 0 : data[pixel + 1]];
        out[at + 2] = blue[outside ? 0 : data[pixel + 2]];
      }
    }
  }
}
