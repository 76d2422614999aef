/** Decodes pictures and prepares them for the network. */
import { sharp } from '../../../engine/node/optional.ts';
import { type DecodedImage, toRgb } from './decoded.ts';
import { equalizeLightness, normalizeBenGraham } from './enhance.ts';
import type { RgbImage } from '../../domain.ts';
import { addMaskBit } from './geometry.ts';
import { decodeMask } from './mask.ts';
import { IMAGE, openPicture, pictureError } from './openPicture.ts';
import { MEASURED_AS, type PictureStatistics, pictureStatistics } from './pictureStatistics.ts';
import { type PictureTools, preparePictureWith, type Square } from './prepare.ts';
import type { PreprocessOptions, Sample } from './sample.ts';
import { type DatasetItem, STRUCTURES } from '../../domain.ts';

/**
 * Decodes an image file to 8-bit sRGB as it is shown: turned as its EXIF orientation says, an embedded color profile applied, transparent
 * parts on black (an alpha that is the same everywhere says nothing), 16 bits rounded to 8.
 *
 * @param name file name for errors; also the file to read when `bytes` is absent.
 * @param frame of a DICOM file with several, from 1. Default 1.
 * @throws GmtlError `data/image-unreadable` naming the file, also when it is truncated, and `data/image-too-large`.
 */
export async function decodeImage(name: string, bytes?: Buffer, frame?: number): Promise<DecodedImage> {
  const { pipeline, orientation, dicom, notes } = await openPicture(name, IMAGE, bytes, frame);
  try {
    const { data, info } = await pipeline()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    return { width, height, data: channels === 3 ? data : toRgb(data, channels), orientation, dicom, notes };
  } catch (cause) {
    throw pictureError(name, IMAGE, cause);
  }
}

/** Resizes and evens out the light in Node: sharp and OpenCV. */
const NODE_TOOLS: PictureTools = {
  resize: (pixels, from, to) =>
    sharp(pixels, { raw: { width: from, height: from, channels: 3 }, limitInputPixels: false })
      .resize(to, to, { fit: 'fill', kernel: from > to ? 'lanczos3' : 'cubic' })
      .raw()
      .toBuffer(),
  equalizeLightness,
  normalizeBenGraham,
};

/** Prepares a decoded picture in Node. @throws GmtlError as {@link preparePictureWith}. */
export async function preprocessImage(
  image: RgbImage,
  name: string,
  options: PreprocessOptions,
  square?: Square,
): Promise<Sample> {
  return preparePictureWith(NODE_TOOLS, image, name, options, square);
}

/** Measures a picture file. @throws GmtlError as {@link decodeImage}, and `data/no-field-of-view`. */
export async function measureFile(path: string, bytes?: Buffer): Promise<PictureStatistics> {
  return pictureStatistics(await preprocessImage(await decodeImage(path, bytes), path, MEASURED_AS));
}

/** The contents of an item's files, so that they are read once for hashing and decoding. */
export interface ItemFiles {
  readonly image: Buffer;
  readonly masks: readonly (Buffer | null)[];
}

/**
 * Decodes and prepares an item: its picture and, on segmentation rows, its masks. An absent mask is all zero.
 *
 * @throws GmtlError naming the file: what `decodeImage`, `findFieldOfView` and `decodeMask` throw.
 */
export async function preprocessItem(
  item: DatasetItem,
  options: PreprocessOptions,
  files?: ItemFiles,
): Promise<Sample> {
  const image = await decodeImage(item.imagePath, files?.image);
  const sample = await preprocessImage(image, item.imagePath, options);
  if (item.maskPaths === null) return sample;
  const maskBits = new Uint8Array(options.size * options.size);
  for (const [index, structure] of STRUCTURES.entries()) {
    const path = item.maskPaths[structure];
    if (path === null) continue;
    const expected = { width: image.width, height: image.height };
    const mask = await decodeMask(path, { structure, expected }, files?.masks[index] ?? undefined);
    addMaskBit(mask, sample.box, options.size, options.maskResize, 1 << index, maskBits);
  }
  return { ...sample, maskBits };
}
