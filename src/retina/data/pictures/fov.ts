/** Finds the field of view in a photograph, and the square of the frame that a network is shown. */
import { GmtlError } from '../../../engine/errors.ts';
import type { RgbImage } from '../../domain.ts';
import { componentExtents } from '../../metrics/components.ts';

/**
 * The square of the frame that the network sees: `left`, `top` (negative where the square reaches beyond the frame and is
 * padded with black) and `size` in frame pixels; `width` and `height` of the whole frame.
 */
export interface CropBox {
  readonly left: number;
  readonly top: number;
  readonly size: number;
  readonly width: number;
  readonly height: number;
}

/** A pixel belongs to the field of view when one of its channels exceeds at least this; camera black is 0 … 6 in JPEGs. */
const FOV_THRESHOLD = 10;

/**
 * … and at least this share of the picture's bright end (the 95th percentile). Light scattered beside the disc reaches 17 of
 * 255 in IDRiD's bright pictures (IDRiD_01), where a fixed threshold of 10 makes the box 10 % too wide.
 */
const RELATIVE_THRESHOLD = 0.1;

/** The search grid's longest side: a fundus disc needs no finer one, and 12 million pixels are not walked. */
const GRID_SIDE = 512;

/** A bright region smaller than this share of the frame is not a field of view: the picture is black or broken. */
const LEAST_FOV_SHARE = 0.05;

/** The whole frame, squared by padding the shorter side on both ends. */
export function frameBox(width: number, height: number): CropBox {
  return squareBox(0, 0, width, height, width, height);
}

/**
 * The square around the bright disc of a fundus picture: the bounding box of the largest connected region above
 * the threshold (and of regions at least a tenth as large; stray pixels and captions are smaller), padded to a square.
 *
 * @param name the picture's name for the error.
 * @throws GmtlError `data/no-field-of-view` when less than 5 % of the frame is bright.
 */
export function findFieldOfView(image: RgbImage, name: string): CropBox {
  const { width, height, data } = image;
  const step = Math.max(1, Math.ceil(Math.max(width, height) / GRID_SIDE));
  const columns = Math.ceil(width / step);
  const rows = Math.ceil(height / step);
  const bright = new Uint8Array(columns * rows);
  const histogram = new Uint32Array(256);
  for (let row = 0, cell = 0; row < rows; row++) {
    const y = Math.min(height - 1, row * step + (step >> 1));
    for (let column = 0; column < columns; column++, cell++) {
      const at = 3 * (y * width + Math.min(width - 1, column * step + (step >> 1)));
      const red = data[at];
      const green = data[at + 1];
      const blue = data[at + 2];
      const brightest = red > green ? (red > blue ? red : blue) : green > blue ? green : blue;
      bright[cell] = brightest;
      histogram[brightest]++;
    }
  }
  const threshold = Math.max(FOV_THRESHOLD, Math.floor(RELATIVE_THRESHOLD * percentile95(histogram, bright.length)));
  for (let cell = 0; cell < bright.length; cell++) bright[cell] = bright[cell] > threshold ? 1 : 0;
  const regions = componentExtents(bright, columns, 4);
  const largest = regions.reduce((most, region) => Math.max(most, region.pixels), 0);
  if (largest < LEAST_FOV_SHARE * columns * rows) {
    throw new GmtlError(
      'data/no-field-of-view',
      `${name} shows no field of view: only ${((100 * largest) / (columns * rows)).toFixed(1)} % of the frame is brighter than ` +
        `${threshold} of 255. Remove the image, or leave out what cannot be used with --skip-bad.`,
    );
  }
  const kept = regions.filter((region) => region.pixels >= largest / 10);
  const left = Math.min(...kept.map((region) => region.left)) * step;
  const top = Math.min(...kept.map((region) => region.top)) * step;
  const right = Math.min(width, (Math.max(...kept.map((region) => region.right)) + 1) * step);
  const bottom = Math.min(height, (Math.max(...kept.map((region) => region.bottom)) + 1) * step);
  return squareBox(left, top, right, bottom, width, height);
}

function percentile95(histogram: Uint32Array, count: number): number {
  let below = 0;
  for (let value = 0; value < 255; value++) {
    below += histogram[value];
    if (below >= 0.95 * count) return value;
  }
  return 255;
}

function squareBox(left: number, top: number, right: number, bottom: number, width: number, height: number): CropBox {
  const boxWidth = right - left;
  const boxHeight = bottom - top;
  const size = Math.max(boxWidth, boxHeight);
  return { left: left - ((size - boxWidth) >> 1), top: top - ((size - boxHeight) >> 1), size, width, height };
}
