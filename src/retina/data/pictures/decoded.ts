/** What becomes of a decoder's pixels, wherever it runs: three colors, and the way up that viewers show. */
import type { RgbImage } from '../../domain.ts';
import type { DicomFacts } from './dicomFacts.ts';

/** A picture as it is shown. */
export interface DecodedImage extends RgbImage {
  /** The EXIF orientation by which it was turned; 1: as stored. */
  readonly orientation: number;
  /** What a viewer of the file would see otherwise, one line each; absent: nothing. */
  readonly notes?: readonly string[];
  /** What a DICOM file says of it; absent or null for other files. */
  readonly dicom?: DicomFacts | null;
}

/**
 * Gray (1 or 2 channels) or color (4) to RGB; an even number of channels ends in alpha. Transparent parts lie on black; an alpha that is the
 * same everywhere says nothing.
 */
export function toRgb(data: Uint8Array | Uint8ClampedArray, channels: number): Uint8Array {
  const count = data.length / channels;
  const hasAlpha = channels % 2 === 0;
  const [, green, blue] = channels < 3 ? [0, 0, 0] : [0, 1, 2];
  const last = channels - 1;
  let varies = false;
  for (let at = last; hasAlpha && at < data.length && !varies; at += channels) varies = data[at] !== data[last];
  const rgb = new Uint8Array(3 * count);
  for (let index = 0, at = 0, to = 0; index < count; index++, at += channels, to += 3) {
    const share = varies ? data[at + last] / 255 : 1;
    rgb[to] = Math.round(share * data[at]);
    rgb[to + 1] = Math.round(share * data[at + green]);
    rgb[to + 2] = Math.round(share * data[at + blue]);
  }
  return rgb;
}

/**
 * Turns a picture as its EXIF orientation says (Exif 2.32, tag 0x0112). For each orientation: whether rows and columns change places, and
 * whether the result is read from the stored picture's right, and from its bottom.
 *
 * @param orientation 1 … 8; anything else is 1.
 */
export function turned({ width, height, data }: RgbImage, orientation: number): DecodedImage {
  const way = TURNS[orientation - 1];
  if (orientation === 1 || !way) return { width, height, data, orientation: 1 };
  const [swaps, fromRight, fromBottom] = way;
  const [wide, high] = swaps ? [height, width] : [width, height];
  const out = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < high; y++) {
    for (let x = 0; x < wide; x++, to += 3) {
      const [column, row] = swaps ? [y, x] : [x, y];
      const from = 3 * ((fromBottom ? height - 1 - row : row) * width + (fromRight ? width - 1 - column : column));
      out[to] = data[from];
      out[to + 1] = data[from + 1];
      out[to + 2] = data[from + 2];
    }
  }
  return { width: wide, height: high, data: out, orientation };
}

const TURNS = [
  [false, false, false],
  [false, true, false],
  [false, true, true],
  [false, false, true],
  [true, false, false],
  [true, false, true],
  [true, true, true],
  [true, true, false],
] as const;
