/** Decodes pictures and prepares them for the network. */
import { sharp } from '../../../engine/node/optional.ts';
import { equalizeLightness, normalizeBenGraham } from './enhance.ts';
import type { RgbImage } from '../../domain.ts';
import { addMaskBit } from './geometry.ts';
import { decodeMask } from './mask.ts';
import { IMAGE, openPicture, pictureError } from './openPicture.ts';
import { type PictureTools, preparePictureWith } from './prepare.ts';
import type { PreprocessOptions, Sample } from './sample.ts';
import { type DatasetItem, STRUCTURES } from '../../domain.ts';

/** A picture as it is shown. */
export interface DecodedImage extends RgbImage {
  /** The EXIF orientation by which it was turned; 1: as stored. */
  readonly orientation: number;
}

/**
 * Decodes an image file to 8-bit sRGB as it is shown: turned as its EXIF orientation says, an embedded color profile applied, transparent
 * parts on black (an alpha that is the same everywhere says nothing), 16 bits rounded to 8.
 *
 * @param name file name for errors; also the file to read when `bytes` is absent.
 * @throws GmtlError `data/image-unreadable` naming the file, also when it is truncated, and `data/image-too-large`.
 */
export async function decodeImage(name: string, bytes?: Buffer): Promise<DecodedImage> {
  const { pipeline, orientation } = await openPicture(name, IMAGE, bytes);
  try {
    const { data, info } = await pipeline()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    return { width, height, data: channels === 3 ? data : toRgb(data, channels), orientation };
  } catch (cause) {
    throw pictureError(name, IMAGE, cause);
  }
}

/** Gray (1 or 2 channels) or color (4) to RGB; an even number of channels ends in alpha. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
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
export async function preprocessImage(image: RgbImage, name: string, options: PreprocessOptions): Promise<Sample> {
  return preparePictureWith(NODE_TOOLS, image, name, options);
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
