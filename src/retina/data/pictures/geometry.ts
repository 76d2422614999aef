/** Brings pictures and masks from the frame to the network's square, and maps back. */
import { GmtlError } from '../../../engine/errors.ts';
import type { CropBox } from './fov.ts';
import type { RgbImage } from '../../domain.ts';

/** A binary mask: `data[y * width + x]` is 0 or 1. */
export interface BinaryMask {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** Number of ones. */
  readonly foreground: number;
}

/** How a mask is brought from the frame's resolution to the network's. */
export type MaskResize = 'area-max' | 'nearest';

/** Cuts the box out of a picture; what lies beyond the frame is black. */
export function cropRgb(image: RgbImage, box: CropBox): RgbImage {
  const { left, top, size } = box;
  const data = new Uint8Array(size * size * 3);
  const from = Math.max(0, left);
  const to = Math.min(image.width, left + size);
  for (let y = Math.max(0, -top); y < size && top + y < image.height; y++) {
    const start = 3 * ((top + y) * image.width + from);
    data.set(image.data.subarray(start, start + 3 * (to - from)), 3 * (y * size + from - left));
  }
  return { width: size, height: size, data };
}

/** The part of the resized square that shows the frame: [left, top, right, bottom], whole pixels only. */
export function contentOf(box: CropBox, size: number): [left: number, top: number, right: number, bottom: number] {
  const inSquare = (position: number) => Math.min(size, Math.max(0, (position * size) / box.size));
  return [
    Math.ceil(inSquare(-box.left)),
    Math.ceil(inSquare(-box.top)),
    Math.floor(inSquare(box.width - box.left)),
    Math.floor(inSquare(box.height - box.top)),
  ];
}

/**
 * Crops a mask to the box, resizes it to `target`x`target` and sets `bit` in `out` where it is foreground.
 *
 * `area-max` marks every target pixel whose area touches a foreground pixel: a microaneurysm of 20 frame pixels is 2 wide at
 * 512 and would vanish from most samples of `nearest`. It fattens outlines by up to a target pixel.
 */
export function addMaskBit(
  mask: BinaryMask,
  box: CropBox,
  target: number,
  resize: MaskResize,
  bit: number,
  out: Uint8Array,
): void {
  if (resize === 'nearest') addNearest(mask, box, target, bit, out);
  else addAreaMax(mask, box, target, bit, out);
}

function addNearest(mask: BinaryMask, box: CropBox, target: number, bit: number, out: Uint8Array): void {
  for (let row = 0; row < target; row++) {
    const y = box.top + Math.floor(((row + 0.5) * box.size) / target);
    if (y < 0 || y >= mask.height) continue;
    for (let column = 0; column < target; column++) {
      const x = box.left + Math.floor(((column + 0.5) * box.size) / target);
      if (x < 0 || x >= mask.width || mask.data[y * mask.width + x] === 0) continue;
      out[row * target + column] |= bit;
    }
  }
}

function addAreaMax(mask: BinaryMask, box: CropBox, target: number, bit: number, out: Uint8Array): void {
  const { left, top, size } = box;
  const from = Math.max(0, left);
  const to = Math.min(mask.width, left + size);
  // Target cells touched by frame column (row) p are [first(p), last(p)]: the open intervals overlap.
  const first = (p: number) => Math.floor((p * target) / size);
  const last = (p: number) => Math.ceil(((p + 1) * target) / size) - 1;
  for (let y = Math.max(0, top); y < mask.height && y < top + size; y++) {
    const rowStart = y * mask.width;
    const rowEnd = rowStart + to;
    const firstRow = first(y - top);
    const lastRow = last(y - top);
    // Nearly all of a lesion mask is empty: the native search skips it.
    let at = mask.data.indexOf(1, rowStart + from);
    while (at >= 0 && at < rowEnd) {
      const column = at - rowStart - left;
      const lastColumn = last(column);
      for (let cellY = firstRow; cellY <= lastRow; cellY++) {
        for (let cellX = first(column); cellX <= lastColumn; cellX++) out[cellY * target + cellX] |= bit;
      }
      at = mask.data[at + 1] === 1 ? at + 1 : mask.data.indexOf(1, at + 1);
    }
    // The search ran past this row: go on with the row that holds the next foreground pixel.
    if (at < 0) return;
    const nextRow = Math.floor(at / mask.width);
    if (nextRow > y + 1) y = nextRow - 1;
  }
}

/**
 * Maps the network's output for the box back onto the frame: bilinear (half-pixel centers, edges repeated, as
 * align_corners = false), zero outside the box.
 *
 * @param values `size`x`size` numbers, row by row (one class).
 * @returns `box.height`x`box.width` numbers, row by row.
 * @throws GmtlError `data/map-size` when `values` is not a square.
 */
export function mapMaskToFrame(values: Float32Array, box: CropBox): Float32Array {
  const side = Math.round(Math.sqrt(values.length));
  if (side * side !== values.length || side === 0) {
    throw new GmtlError(
      'data/map-size',
      `mapMaskToFrame: ${values.length} values are not a square map; pass one class of one image.`,
    );
  }
  const { left, top, size, width, height } = box;
  const out = new Float32Array(width * height);
  const from = Math.max(0, left);
  const to = Math.min(width, left + size);
  const lower = new Int32Array(to - from);
  const upper = new Int32Array(to - from);
  const weight = new Float32Array(to - from);
  for (let x = from; x < to; x++) {
    const position = Math.min(side - 1, Math.max(0, ((x - left + 0.5) * side) / size - 0.5));
    lower[x - from] = Math.floor(position);
    upper[x - from] = Math.min(side - 1, Math.floor(position) + 1);
    weight[x - from] = position - Math.floor(position);
  }
  const blended = new Float32Array(side);
  for (let y = Math.max(0, top); y < height && y < top + size; y++) {
    const position = Math.min(side - 1, Math.max(0, ((y - top + 0.5) * side) / size - 0.5));
    const above = Math.floor(position) * side;
    const below = Math.min(side - 1, Math.floor(position) + 1) * side;
    const share = position - Math.floor(position);
    for (let x = 0; x < side; x++) blended[x] = values[above + x] + share * (values[below + x] - values[above + x]);
    const start = y * width + from;
    for (let x = 0; x < lower.length; x++) {
      const near = blended[lower[x]];
      out[start + x] = near + weight[x] * (blended[upper[x]] - near);
    }
  }
  return out;
}
