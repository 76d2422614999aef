/** What a photograph looks like in a dozen numbers, measured alike for training pictures and for those that a network is shown later. */
import { GmtlError } from '../../../engine/errors.ts';
import { contentOf } from './geometry.ts';
import { DEFAULT_PREPROCESS, type PreprocessOptions, type Sample } from './sample.ts';

/** Side of the square, cut to the field of view and in the picture's own colors, that is measured: large enough to tell focus. */
const SIDE = 256;

/** How a picture is prepared for {@link pictureStatistics}. */
export const MEASURED_AS: PreprocessOptions = { ...DEFAULT_PREPROCESS, size: SIDE };

/** All but `fieldPixels` are measured at {@link MEASURED_AS}'s size, so that they do not depend on the camera's resolution. */
export interface PictureStatistics {
  /** Width of the field of view in the photograph, pixels. */
  readonly fieldPixels: number;
  /** Overlap (intersection over union) of what is lit with the round field that the square should show: 1 is a whole disc. */
  readonly roundness: number;
  /** Share of the square's width or height, whichever is less, that lies in the frame. A camera may cut the disc above and below. */
  readonly extent: number;
  /** Median luminance (ITU-R BT.601) of the field, 0 … 1. */
  readonly luminance: number;
  /** Mean of each channel over the field, 0 … 1. */
  readonly mean: readonly [red: number, green: number, blue: number];
  /** Standard deviation of each channel over the field. */
  readonly std: readonly [red: number, green: number, blue: number];
  /**
   * Root mean square of the green channel in three octaves, as a share of its mean and less the noise of 8-bit values: details of about 2, 6 and 16
   * of 256 pixels.
   */
  readonly detail: readonly [fine: number, middle: number, coarse: number];
}

/** Radii of the box filters, each applied twice, between whose results lie the bands of `detail`. */
const RADII = [1, 3, 8] as const;

/** Rounding to 8 bits adds noise of this deviation; a fifth more comes with resizing. */
const ROUNDING_NOISE = (1.2 / 255) * Math.sqrt(1 / 12);

/** So far from the rim is a pixel whose detail counts: the rim itself is the sharpest edge of a fundus photograph. */
const RIM = 9;

/** Light beside the disc stays below a tenth of the bright end, as in `findFieldOfView`. */
const LIT_SHARE = 0.1;
const LEAST_LIT = 10;

/** What measuring gives; null where the picture shows no field of view. Any other failure is thrown. */
export async function whereFieldIsSeen(measuring: Promise<PictureStatistics>): Promise<PictureStatistics | null> {
  try {
    return await measuring;
  } catch (error) {
    if (error instanceof GmtlError && error.code === 'data/no-field-of-view') return null;
    throw error;
  }
}

/** A byte as a share of white. */
const SHARE_OF_WHITE = Float64Array.from({ length: 256 }, (_, byte) => byte / 255);

/** What measuring one picture takes, kept for the next: 3 MB each time kept the garbage collector busy. */
let memory: readonly Float64Array[] = [];

/** Measures a picture that was prepared as {@link MEASURED_AS}. */
export function pictureStatistics({ image, size, box }: Sample): PictureStatistics {
  const lit = litPixels(image, size);
  const [left, top, right, bottom] = contentOf(box, size);
  // By channel, in variables of their own: arrays took a third more time.
  let [red, green, blue, redSquares, greenSquares, blueSquares] = [0, 0, 0, 0, 0, 0];
  if (memory[0]?.length !== size * size) memory = Array.from({ length: 6 }, () => new Float64Array(size * size));
  const [luminances, greens, ...others] = memory;
  let count = 0;
  let both = 0;
  let either = 0;
  for (let y = 0, pixel = 0; y < size; y++) {
    const down = y + 0.5 - size / 2;
    for (let x = 0; x < size; x++, pixel++) {
      const across = x + 0.5 - size / 2;
      const isFrame = x >= left && x < right && y >= top && y < bottom;
      const isDisc = isFrame && across * across + down * down <= (size / 2) * (size / 2);
      if (isDisc || lit[pixel] === 1) either++;
      if (lit[pixel] === 0) continue;
      if (isDisc) both++;
      const r = image[3 * pixel];
      const g = image[3 * pixel + 1];
      const b = image[3 * pixel + 2];
      red += SHARE_OF_WHITE[r];
      green += SHARE_OF_WHITE[g];
      blue += SHARE_OF_WHITE[b];
      redSquares += SHARE_OF_WHITE[r] * SHARE_OF_WHITE[r];
      greenSquares += SHARE_OF_WHITE[g] * SHARE_OF_WHITE[g];
      blueSquares += SHARE_OF_WHITE[b] * SHARE_OF_WHITE[b];
      luminances[count++] = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
    }
  }
  const mean = [red, green, blue].map((sum) => sum / Math.max(1, count));
  const std = [redSquares, greenSquares, blueSquares].map((square, channel) =>
    Math.sqrt(Math.max(0, square / Math.max(1, count) - mean[channel] ** 2)),
  );
  for (let pixel = 0; pixel < greens.length; pixel++) greens[pixel] = SHARE_OF_WHITE[image[3 * pixel + 1]];
  return {
    fieldPixels: box.size,
    roundness: both / Math.max(1, either),
    extent: Math.min(right - left, bottom - top) / size,
    luminance: middleOf(luminances.subarray(0, count)) ?? 0,
    mean: [mean[0], mean[1], mean[2]],
    std: [std[0], std[1], std[2]],
    detail: detailOf(greens, lit, size, mean[1], others),
  };
}

/** The value with the number `length >> 1` in order, of values from 0 to 1: only those of its own bin are sorted. */
function middleOf(values: Float64Array): number | undefined {
  const bins = 4096;
  const counts = new Uint32Array(bins + 1);
  for (let index = 0; index < values.length; index++) counts[Math.floor(values[index] * bins)]++;
  let bin = 0;
  let before = 0;
  while (bin < bins && before + counts[bin] <= values.length >> 1) before += counts[bin++];
  return values.filter((value) => Math.floor(value * bins) === bin).sort()[(values.length >> 1) - before];
}

function litPixels(image: Uint8Array, size: number): Uint8Array {
  const brightest = new Uint8Array(size * size);
  const counts = new Uint32Array(256);
  for (let pixel = 0; pixel < brightest.length; pixel++) {
    brightest[pixel] = Math.max(image[3 * pixel], image[3 * pixel + 1], image[3 * pixel + 2]);
    counts[brightest[pixel]]++;
  }
  let bright = 0;
  for (let below = counts[0]; below <= Math.floor(0.95 * (brightest.length - 1)); below += counts[bright]) bright++;
  const threshold = Math.max(LEAST_LIT, Math.floor(LIT_SHARE * bright));
  for (let pixel = 0; pixel < brightest.length; pixel++) brightest[pixel] = brightest[pixel] > threshold ? 1 : 0;
  return brightest;
}

/** @param memory four arrays of as many numbers. */
function detailOf(
  green: Float64Array,
  lit: Uint8Array,
  size: number,
  mean: number,
  [scratch, inside, ...smooth]: readonly Float64Array[],
): PictureStatistics['detail'] {
  inside.set(lit);
  boxMean(inside, size, RIM, scratch);
  let finer = green;
  const bands = RADII.map((radius, band) => {
    const coarser = smooth[band % 2];
    coarser.set(green);
    boxMean(coarser, size, radius, scratch);
    boxMean(coarser, size, radius, scratch);
    let sum = 0;
    let count = 0;
    for (let pixel = 0; pixel < green.length; pixel++) {
      if (inside[pixel] < 1 - 1e-6) continue;
      const difference = finer[pixel] - coarser[pixel];
      sum += difference * difference;
      count++;
    }
    finer = coarser;
    // Only the finest band keeps what rounding adds.
    const noise = band === 0 ? ROUNDING_NOISE ** 2 : 0;
    return Math.sqrt(Math.max(0, sum / Math.max(1, count) - noise)) / Math.max(mean, 1 / 255);
  });
  return [bands[0], bands[1], bands[2]];
}

/**
 * Makes each value the mean over a square of 2 · radius + 1 pixels around it; pixels beyond the edge count as 0.
 *
 * @param across of the same length: receives the means over rows.
 */
function boxMean(values: Float64Array, size: number, radius: number, across: Float64Array): void {
  const width = 2 * radius + 1;
  // Two rows at a time, since each sum waits for the one before; with zeros around them: what enters and leaves needs no test.
  const row = new Float64Array(size + radius + width);
  const other = new Float64Array(size + radius + width);
  for (let y = 0; y < size; y += 2) {
    const start = y * size;
    const otherStart = Math.min(y + 1, size - 1) * size;
    row.set(values.subarray(start, start + size), width);
    other.set(values.subarray(otherStart, otherStart + size), width);
    let sum = 0;
    let otherSum = 0;
    for (let ahead = width; ahead < width + radius; ahead++) {
      sum += row[ahead];
      otherSum += other[ahead];
    }
    for (let x = 0; x < size; x++) {
      sum += row[x + radius + width];
      otherSum += other[x + radius + width];
      sum -= row[x + radius];
      otherSum -= other[x + radius];
      across[start + x] = sum / width;
      across[otherStart + x] = otherSum / width;
    }
  }
  // Row by row, with a sum for each column: columns one by one would read a cache line for each value.
  const sums = new Float64Array(size);
  const none = new Float64Array(size);
  const rowAt = (y: number): Float64Array => (y >= 0 && y < size ? across.subarray(y * size, (y + 1) * size) : none);
  for (let ahead = 0; ahead < size + radius; ahead++) {
    const [entering, leaving] = [rowAt(ahead), rowAt(ahead - width)];
    // The first rows are overwritten by the first that has its whole sum.
    const start = Math.max(0, ahead - radius) * size;
    for (let x = 0; x < size; x++) {
      const sum = sums[x] + entering[x] - leaving[x];
      sums[x] = sum;
      values[start + x] = sum / width;
    }
  }
}
