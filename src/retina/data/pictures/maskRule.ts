/** The rule by which the pixels of a mask file become marked or not. */

/** A decoded mask file: `channels` values per pixel, 0 … `range`. */
export interface MaskPixels {
  readonly data: Uint8Array | Uint16Array;
  readonly channels: number;
  /** The last channel is alpha. */
  readonly hasAlpha: boolean;
  readonly range: 255 | 65535;
  /** From a lossy format: no value is exact. */
  readonly lossy: boolean;
}

/** As many tones in a lossless file are labels or instances; more come from smoothing or from a lossy format before. */
const MOST_LABELS = 16;

/** Least difference between the darkest and the brightest tone, as a share of the range, by which marks are told from artifacts. */
const LEAST_CONTRAST = 0.25;

/** Largest share of pixels in the middle half of the tones: a smoothed mask has its edges there, a photograph most of itself. */
const MOST_BETWEEN = 0.1;

/**
 * Marked is what is brighter than the background. A pixel's tone is its brightest color channel, on black where it is transparent; where
 * alpha is the same everywhere it says nothing, and where only alpha varies it is the tone.
 *
 * - Up to 16 tones in a lossless file: background is the darkest tone, all others are marked, whatever their values: 0 and 1 of 65535 are as
 *   good as 0 and 255, and labels or instances all count.
 * - More tones, or a lossy file: marked is what is nearer to the brightest tone than to the darkest.
 * - One tone: all marked, or nothing where it is 0.
 *
 * @returns 1 or 0 for each pixel, or in words why the file is not a mask.
 */
export function applyMaskRule({ data, channels, hasAlpha, range, lossy }: MaskPixels): Uint8Array | string {
  const count = data.length / channels;
  const tones = new Uint16Array(count);
  const colors = hasAlpha ? channels - 1 : channels;
  let sameColor = true;
  let sameAlpha = true;
  for (let index = 0, at = 0; index < count; index++, at += channels) {
    let tone = data[at];
    for (let channel = 0; channel < colors; channel++) {
      if (data[at + channel] > tone) tone = data[at + channel];
      if (data[at + channel] !== data[channel]) sameColor = false;
    }
    if (hasAlpha && data[at + colors] !== data[colors]) sameAlpha = false;
    tones[index] = tone;
  }
  if (!sameAlpha) {
    for (let index = 0, at = colors; index < count; index++, at += channels) {
      tones[index] = sameColor ? data[at] : Math.round((tones[index] * data[at]) / range);
    }
  }
  const histogram = new Uint32Array(range + 1);
  for (let index = 0; index < count; index++) histogram[tones[index]]++;
  const found = Array.from(histogram.keys()).filter((tone) => histogram[tone] > 0);
  const [darkest] = found;
  const brightest = found[found.length - 1];
  if (found.length === 1) return new Uint8Array(count).fill(brightest > 0 ? 1 : 0);
  if (!lossy && found.length <= MOST_LABELS) return above(tones, darkest);
  const contrast = brightest - darkest;
  if (contrast < LEAST_CONTRAST * range) {
    return `its ${found.length} tones from ${darkest} to ${brightest} (of ${range}) are too close to tell marks from ${lossy ? 'compression artifacts' : 'noise'}`;
  }
  let between = 0;
  for (const tone of found) {
    if (tone > darkest + contrast / 4 && tone < brightest - contrast / 4) between += histogram[tone];
  }
  if (between > MOST_BETWEEN * count) {
    return `${((100 * between) / count).toFixed(0)} % of it is neither near its darkest nor near its brightest tone, as in a photograph`;
  }
  return above(tones, darkest + contrast / 2);
}

function above(tones: Uint16Array, threshold: number): Uint8Array {
  const marked = new Uint8Array(tones.length);
  for (let index = 0; index < tones.length; index++) marked[index] = tones[index] > threshold ? 1 : 0;
  return marked;
}
