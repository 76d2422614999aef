/** Decodes mask files. */
import { readFile } from 'node:fs/promises';
import type { OutputInfo } from 'sharp';
import { sharp } from '../../../engine/node/optional.ts';
import { GmtlError } from '../../../engine/errors.ts';
import type { BinaryMask } from './geometry.ts';
import { isJpeg, paletteAsGray } from './palette.ts';
import { isTiff, isTruncatedTiff } from './tiff.ts';
import type { Structure } from '../../domain.ts';

export interface MaskOptions {
  /** Which structure it is: a lesion is refused above `maxLesionCoverage`, the optic disc is not. */
  readonly structure?: Structure;
  /** Width and height the image has; a mask of another size is refused. */
  readonly expected?: { readonly width: number; readonly height: number };
}

/**
 * The largest believable share of the frame for one lesion class. IDRiD's fullest mask covers a few per cent; 100 % is what
 * reading the alpha channel of its one RGBA mask gives.
 */
const MAX_LESION_COVERAGE = 0.3;

/** JPEG cannot store exact values: what is nearer to a saturated channel than to black is foreground. */
const JPEG_THRESHOLD = 127;

/**
 * Decodes a mask file: TIFF, PNG or JPEG.
 *
 * Foreground is: in a palette image every pixel whose index is above 0, whatever its color; in a gray or color image every
 * pixel with a color channel above 0 (above 127 in a JPEG). The alpha channel is ignored.
 *
 * @param bytes the file's content if it was read already.
 * @throws GmtlError `data/mask-unreadable`, `data/mask-size`, `data/mask-coverage`, each naming the file.
 */
export async function decodeMask(path: string, options: MaskOptions = {}, bytes?: Buffer): Promise<BinaryMask> {
  let decoded: { data: Buffer; info: OutputInfo };
  let lossy = false;
  try {
    const content = bytes ?? (await readFile(path));
    lossy = isJpeg(content);
    if (isTiff(content) && isTruncatedTiff(content)) throw new Error('the file ends before its pixel data does');
    const gray = paletteAsGray(content);
    const input = sharp(gray ?? content, { failOn: 'error', limitInputPixels: false });
    const image = gray === null ? input : input.extractChannel(0);
    decoded = await image.raw().toBuffer({ resolveWithObject: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError(
      'data/mask-unreadable',
      `Cannot decode the mask ${path}: ${reason}. Unpack or download the file again.`,
      { cause },
    );
  }
  const { width, height, channels } = decoded.info;
  const expected = options.expected;
  if (expected !== undefined && (width !== expected.width || height !== expected.height)) {
    throw new GmtlError(
      'data/mask-size',
      `The mask ${path} is ${width}x${height}, its image ${expected.width}x${expected.height}. ` +
        'Resize neither alone: take the image and the mask from the same release of the data set.',
    );
  }
  const data = binarize(decoded.data, width * height, channels, lossy ? JPEG_THRESHOLD : 0);
  let foreground = 0;
  for (let index = 0; index < data.length; index++) foreground += data[index];
  const coverage = foreground / data.length;
  if (options.structure !== undefined && options.structure !== 'OD' && coverage > MAX_LESION_COVERAGE) {
    throw new GmtlError(
      'data/mask-coverage',
      `The ${options.structure} mask ${path} marks ${(100 * coverage).toFixed(1)} % of the frame; no lesion covers more than ` +
        `${100 * MAX_LESION_COVERAGE} %. It is inverted, or saved with a coloured background: save it as a palette or black-and-white ` +
        'image whose background is 0.',
    );
  }
  return { width, height, data, foreground };
}

/** 1 where any color channel is above the threshold. Two and four channels carry alpha in the last one. */
function binarize(pixels: Buffer, count: number, channels: number, threshold: number): Uint8Array {
  const colors = channels === 2 || channels === 4 ? channels - 1 : channels;
  const mask = new Uint8Array(count);
  if (colors === 1) {
    for (let index = 0, at = 0; index < count; index++, at += channels) mask[index] = pixels[at] > threshold ? 1 : 0;
    return mask;
  }
  for (let index = 0, at = 0; index < count; index++, at += channels) {
    mask[index] = pixels[at] > threshold || pixels[at + 1] > threshold || pixels[at + 2] > threshold ? 1 : 0;
  }
  return mask;
}
