/** Prepares pictures in plain arithmetic, for browsers: pixel by pixel what Node's sharp gives, and CLAHE within a few levels of OpenCV's. */
import type { RgbImage } from '../../domain.ts';
import { blurSigma, subtractBlur } from './benGraham.ts';
import { gaussianBlur } from './blur.ts';
import { equalizeLightnessPlainly } from './claheInPlainCode.ts';
import { type PictureTools, preparePictureWith, type Square } from './prepare.ts';
import { resizeSquare } from './resample.ts';
import type { PreprocessOptions, Sample } from './sample.ts';

const PLAIN_TOOLS: PictureTools = {
  resize: resizeSquare,
  equalizeLightness: equalizeLightnessPlainly,
  normalizeBenGraham(pixels, size, content) {
    const [left, top, right, bottom] = content;
    const [width, height] = [right - left, bottom - top];
    if (width < 1 || height < 1) return subtractBlur(pixels, new Uint8Array(), size, content);
    const cut = new Uint8Array(3 * width * height);
    for (let y = 0; y < height; y++) {
      const start = 3 * ((top + y) * size + left);
      cut.set(pixels.subarray(start, start + 3 * width), 3 * y * width);
    }
    return subtractBlur(pixels, gaussianBlur(cut, width, height, blurSigma(size)), size, content);
  },
};

/** Prepares a decoded picture. @throws GmtlError as {@link preparePictureWith}. */
export const preparePicture = (
  image: RgbImage,
  name: string,
  options: PreprocessOptions,
  square?: Square,
): Promise<Sample> => preparePictureWith(PLAIN_TOOLS, image, name, options, square);
