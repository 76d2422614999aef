/** Whether a fundus photograph can be graded at all, from the picture alone. */
import type { PictureStatistics } from './pictureStatistics.ts';

/** What can be wrong with a photograph. */
export type Fault = 'focus' | 'exposure' | 'field' | 'size';

/** A judgment of a photograph's quality, with every reason against it. */
export interface Gradability {
  readonly gradable: boolean;
  readonly reasons: readonly { readonly fault: Fault; readonly text: string }[];
}

/**
 * Chosen on IDRiD's training photographs and degraded copies of them, held against its testing ones: docs/results.md has table and command. What a
 * camera does within these bounds is left to the network.
 */
const LIMITS = {
  /** Median luminance of the field. IDRiD's training photographs have 0.19 to 0.50. */
  luminance: [0.15, 0.55],
  /** log10 of fine over middle detail: −0.15 and more in focus, −0.3 and less under a blur of a hundredth of the field's width. */
  focus: -0.2,
  /** Overlap of the lit area with a disc: 0.85 and more for whole fields, 0.79 for a square cut from within. */
  roundness: 0.83,
  /** A camera that cuts the disc above and below, as IDRiD's does, leaves 0.8. */
  extent: 0.7,
  /** At 120 pixels across a field of 50 degrees (15 mm) the largest microaneurysms (125 µm, ETDRS report 10) are one pixel wide. */
  fieldPixels: 120,
} as const;

/** How sharp a picture is: log10 of fine over middle detail. Contrast and brightness cancel out. */
export const focusOf = ({ detail: [fine, middle] }: Pick<PictureStatistics, 'detail'>): number =>
  Math.log10((fine + 1e-5) / (middle + 1e-5));

/** @param statistics null where no bright disc was found in the picture. */
export function gradabilityOf(statistics: PictureStatistics | null): Gradability {
  const reasons: { fault: Fault; text: string }[] = [];
  const fault = (kind: Fault, text: string): void => void reasons.push({ fault: kind, text });
  if (statistics === null) fault('field', 'no bright disc: black, or not a fundus photograph');
  else {
    const { luminance, roundness, extent, fieldPixels } = statistics;
    const focus = focusOf(statistics);
    const [darkest, brightest] = LIMITS.luminance;
    if (luminance < darkest) fault('exposure', `too dark (median luminance ${luminance.toFixed(2)} < ${darkest})`);
    if (luminance > brightest)
      fault('exposure', `overexposed (median luminance ${luminance.toFixed(2)} > ${brightest})`);
    if (focus < LIMITS.focus)
      fault('focus', `out of focus (fine to middle detail ${focus.toFixed(2)} < ${LIMITS.focus})`);
    if (roundness < LIMITS.roundness)
      fault('field', `not a whole round field (overlap with a disc ${roundness.toFixed(2)} < ${LIMITS.roundness})`);
    if (extent < LIMITS.extent)
      fault('field', `part of the field is cut off (${(100 * extent).toFixed(0)} % of its width is left)`);
    if (fieldPixels < LIMITS.fieldPixels)
      fault('size', `only ${fieldPixels} pixels across (${LIMITS.fieldPixels} are needed)`);
  }
  return { gradable: reasons.length === 0, reasons };
}
