/** Training tiles: where on a large picture a row of a batch looks, and the few pixels that it needs of it. */
import { IDENTITY, type Transform } from './augment.ts';
import type { CropBox } from '../pictures/fov.ts';
import type { Sample } from '../pictures/sample.ts';
import type { KeyedRandom } from '../../random.ts';
import { type Structure, STRUCTURES } from '../../domain.ts';

export interface TileOptions {
  /** Side in pixels of the square picture that tiles are cut from; null: the crop's native resolution. */
  readonly side: number | null;
  /** Probability that a tile is drawn for one of `structures`, where the picture has one; else it lies anywhere on the retina. */
  readonly lesionFraction: number;
  /** The structures that tiles are drawn for. Default: all. */
  readonly structures?: readonly Structure[];
}

/** The farthest that a structure's pixel lies from the middle of a tile drawn for it, as a share of what the tile shows. */
const STRUCTURE_SHIFT = 0.3;

/** Draws of a point on the retina before the middle is taken: at least half of a square's disc lies in the frame. */
const POINT_DRAWS = 64;

/** Pixels around a tile that interpolation may touch. */
const MARGIN = 2;

/**
 * Where a picture's structures are, for drawing one of their pixels uniformly: the number of pixels by row, summed up. 4 bytes per row and
 * structure (68 KB for 3400 rows) instead of a list of up to a million positions; a draw then searches one row.
 */
export class StructureIndex {
  readonly #side: number;
  readonly #bits: Uint8Array;
  /** By structure in the order of `STRUCTURES`: pixels in the rows before row r, `side` + 1 of them. */
  readonly #before: readonly Uint32Array[];

  constructor(maskBits: Uint8Array, side: number) {
    this.#side = side;
    this.#bits = maskBits;
    this.#before = STRUCTURES.map(() => new Uint32Array(side + 1));
    for (let y = 0; y < side; y++) {
      const counts = [0, 0, 0, 0, 0];
      for (let at = y * side; at < (y + 1) * side; at++) {
        const bits = maskBits[at];
        if (bits === 0) continue;
        for (let index = 0; index < counts.length; index++) counts[index] += (bits >> index) & 1;
      }
      for (const [index, before] of this.#before.entries()) before[y + 1] = before[y] + counts[index];
    }
  }

  /** Pixels of a structure. */
  count(structure: Structure): number {
    return this.#before[STRUCTURES.indexOf(structure)][this.#side];
  }

  /** The structure's pixel number `position` (0 ... count - 1) in reading order. */
  pixel(structure: Structure, position: number): { readonly x: number; readonly y: number } {
    const before = this.#before[STRUCTURES.indexOf(structure)];
    let low = 0;
    let high = this.#side - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (before[middle] <= position) low = middle;
      else high = middle - 1;
    }
    const bit = 1 << STRUCTURES.indexOf(structure);
    let left = position - before[low];
    for (let x = 0; x < this.#side; x++) {
      if ((this.#bits[low * this.#side + x] & bit) !== 0 && left-- === 0) return { x, y: low };
    }
    throw new RangeError(`The ${structure} mask has ${before[this.#side]} pixels, no number ${position}.`);
  }
}

/** Indexes live as long as their samples do, so that a picture is walked once for as long as it stays in memory. */
const indexes = new WeakMap<Sample, StructureIndex>();

/** The sample's index of structures, made at the first call; null without masks. */
export function structureIndex(sample: Sample): StructureIndex | null {
  if (sample.maskBits === null) return null;
  let index = indexes.get(sample);
  if (index === undefined) {
    index = new StructureIndex(sample.maskBits, sample.size);
    indexes.set(sample, index);
  }
  return index;
}

/** The middle of a tile in the picture's pixels, and what it was drawn for (null: a place on the retina). */
export interface TilePlace {
  readonly x: number;
  readonly y: number;
  readonly structure: Structure | null;
}

/**
 * Draws the place of a tile. For a structure: one of the structures that the picture has, each as likely; one of its pixels, each as
 * likely; the tile's middle within 0.3 of its extent of that, so that the pixel is always in sight. Else: uniform over the
 * disc that fills the square, where it lies within the frame. The tile is kept inside the square, which never loses the pixel.
 *
 * @param extent picture pixels that the tile shows along a side.
 * @param structures the structures to draw among.
 */
export function drawTilePlace(
  sample: Sample,
  extent: number,
  random: KeyedRandom,
  lesionFraction: number,
  structures: readonly Structure[],
): TilePlace {
  const forStructure = random.chance(lesionFraction);
  const index = structureIndex(sample);
  const present = index === null ? [] : structures.filter((structure) => index.count(structure) > 0);
  if (forStructure && index !== null && present.length > 0) {
    const structure = present[random.integer(present.length)];
    const { x, y } = index.pixel(structure, random.integer(index.count(structure)));
    const shift = STRUCTURE_SHIFT * extent;
    return {
      x: inside(x + 0.5 + random.range(-shift, shift), extent, sample.size),
      y: inside(y + 0.5 + random.range(-shift, shift), extent, sample.size),
      structure,
    };
  }
  const { x, y } = retinaPoint(sample, random);
  return { x: inside(x, extent, sample.size), y: inside(y, extent, sample.size), structure: null };
}

function retinaPoint({ size, box }: Sample, random: KeyedRandom): { x: number; y: number } {
  const radius = size / 2;
  const inFrame = (position: number, start: number, length: number): boolean => {
    const pixel = start + (position * box.size) / size;
    return pixel >= 0 && pixel < length;
  };
  for (let draw = 0; draw < POINT_DRAWS; draw++) {
    const x = random.range(0, size);
    const y = random.range(0, size);
    if (Math.hypot(x - radius, y - radius) > radius) continue;
    if (inFrame(x, box.left, box.width) && inFrame(y, box.top, box.height)) return { x, y };
  }
  return { x: radius, y: radius };
}

function inside(middle: number, extent: number, size: number): number {
  if (size <= extent) return size / 2;
  return Math.min(size - extent / 2, Math.max(extent / 2, middle));
}

/**
 * Cuts the square of `size` pixels at (left, top) out of a sample, black beyond its edges. Touches the cut's pixels only.
 */
export function cutSample(sample: Sample, left: number, top: number, size: number): Sample {
  const { image, maskBits, size: side } = sample;
  const cut = new Uint8Array(size * size * 3);
  const bits = maskBits === null ? null : new Uint8Array(size * size);
  const from = Math.max(0, left);
  const to = Math.min(side, left + size);
  for (let y = Math.max(0, -top); y < size && top + y < side && from < to; y++) {
    const start = (top + y) * side;
    cut.set(image.subarray(3 * (start + from), 3 * (start + to)), 3 * (y * size + from - left));
    if (bits !== null && maskBits !== null)
      bits.set(maskBits.subarray(start + from, start + to), y * size + from - left);
  }
  return { size, image: cut, maskBits: bits, box: cutBox(sample, left, top, size) };
}

/** The frame's square under a cut, in whole frame pixels. */
function cutBox({ box, size: side }: Sample, left: number, top: number, size: number): CropBox {
  const scale = box.size / side;
  return {
    left: box.left + Math.round(left * scale),
    top: box.top + Math.round(top * scale),
    size: Math.round(size * scale),
    width: box.width,
    height: box.height,
  };
}

/** A tile ready to be rendered: `renderImage(sample, transform, ...)` and `renderMasks(...)` at the tile's side give it. */
export interface Tile {
  readonly sample: Sample;
  readonly transform: Transform;
  readonly place: TilePlace;
}

/**
 * Draws a tile and cuts what it shows out of the picture. Of the augmentation its flips, turns, zoom and colors apply; a zoom reads more or
 * fewer of the picture's pixels. Its shift does not: a tile's place is random anyhow, and a shifted tile could lose the structure it was
 * drawn for.
 *
 * @param tile the tile's side in the network's pixels; without zoom each is one pixel of the picture.
 * @param augmentation null: none; the tile then lies on whole pixels and shows them unchanged.
 */
export function drawTile(
  sample: Sample,
  tile: number,
  augmentation: Transform | null,
  random: KeyedRandom,
  options: TileOptions,
): Tile {
  const matrix = (augmentation ?? IDENTITY).matrix;
  // Turns are quarter turns, so the view is a square along the axes: its extent is the length of a column of the matrix.
  const extent = tile * Math.hypot(matrix[0], matrix[2]);
  const place = drawTilePlace(sample, extent, random, options.lesionFraction, options.structures ?? STRUCTURES);
  if (augmentation === null) {
    const cut = cutSample(sample, Math.round(place.x - tile / 2), Math.round(place.y - tile / 2), tile);
    return { sample: cut, transform: IDENTITY, place };
  }
  const left = Math.floor(place.x - extent / 2) - MARGIN;
  const top = Math.floor(place.y - extent / 2) - MARGIN;
  const side = Math.ceil(extent) + 2 * MARGIN + 1;
  const ratio = tile / side;
  const [a, b, c, d] = matrix;
  return {
    sample: cutSample(sample, left, top, side),
    transform: {
      ...augmentation,
      matrix: [a * ratio, b * ratio, c * ratio, d * ratio],
      offset: [(place.x - left) / side - 0.5, (place.y - top) / side - 0.5],
    },
    place,
  };
}
