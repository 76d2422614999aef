/** Contrast-limited adaptive histogram equalization (CLAHE) of the lightness, computed by OpenCV. */
import type OpenCv from '@techstark/opencv-js';
import { requireClaheOptions } from './claheOptions.ts';
import type { ClaheOptions } from './sample.ts';

/**
 * Equalizes L of CIE L*a*b* (8 bits per channel, as `cvtColor(COLOR_RGB2Lab)` gives) and leaves a and b alone. 512x512 take 8 ms,
 * 3000x3000 0.3 s and 240 MB.
 *
 * @param cv OpenCV's module, loaded and initialized.
 * @param pixels RGB, `size`x`size`x3. Not changed.
 * @returns as `pixels`.
 * @throws GmtlError `data/clahe-options` for numbers out of range.
 */
export function equalizeLightnessBy(
  cv: typeof OpenCv,
  pixels: Uint8Array,
  size: number,
  options: ClaheOptions,
): Uint8Array {
  requireClaheOptions(options, size);
  const { clipLimit, tiles } = options;
  // WebAssembly's memory is not collected: everything made here is deleted here.
  const made: { delete(): void }[] = [];
  const own = <T extends { delete(): void }>(object: T): T => {
    made.push(object);
    return object;
  };
  try {
    const picture = own(new cv.Mat(size, size, cv.CV_8UC3));
    picture.data.set(pixels);
    const lab = own(new cv.Mat());
    cv.cvtColor(picture, lab, cv.COLOR_RGB2Lab);
    const channels = own(new cv.MatVector());
    cv.split(lab, channels);
    const lightness = own(channels.get(0));
    const equalized = own(new cv.Mat());
    own(new cv.CLAHE(clipLimit, new cv.Size(tiles, tiles))).apply(lightness, equalized);
    channels.set(0, equalized);
    cv.merge(channels, lab);
    cv.cvtColor(lab, picture, cv.COLOR_Lab2RGB);
    return new Uint8Array(picture.data);
  } finally {
    for (const object of made.reverse()) object.delete();
  }
}
