import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { GmtlError } from '../errors.ts';
import { type CropBox, findFieldOfView, frameBox, type RgbImage } from './fov.ts';
import { addMaskBit, cropRgb, type MaskResize } from './geometry.ts';
import { decodeMask } from './mask.ts';
import { isTiff, isTruncatedTiff } from './tiff.ts';
import { type DatasetItem, LESIONS } from './types.ts';

/** Contrast-limited adaptive histogram equalisation of the luminance. */
export interface ClaheOptions {
  /** Largest slope of the local mapping, 1 … 100; 3 lifts microaneurysms without drowning them in noise. */
  readonly maxSlope: number;
  /** Window side as a share of the picture's side (an 8x8 tiling is 1/8). */
  readonly window: number;
}

export interface PreprocessOptions {
  /** Side of the square the picture is resized to. */
  readonly size: number;
  /** `fov`: crop to the bright disc; `frame`: keep the whole frame. Both are padded to a square, the aspect ratio stays. */
  readonly crop: 'fov' | 'frame';
  readonly maskResize: MaskResize;
  /** null: none. */
  readonly clahe: ClaheOptions | null;
}

export const DEFAULT_PREPROCESS: PreprocessOptions = { size: 512, crop: 'fov', maskResize: 'area-max', clahe: null };

/** A picture (and its masks) as the network's size, still in bytes. */
export interface Sample {
  readonly size: number;
  /** RGB, `size`x`size`x3. */
  readonly image: Uint8Array;
  /** `size`x`size`; bit k is the k-th structure of `LESIONS`. null on pictures without masks. */
  readonly maskBits: Uint8Array | null;
  readonly box: CropBox;
}

/**
 * Decodes an image file to 8-bit RGB as stored (an EXIF orientation is not applied: the masks have none).
 *
 * @param name file name for errors; also the file to read when `bytes` is absent.
 * @throws GmtlError `data/image-unreadable` naming the file, also when it is truncated.
 */
export async function decodeImage(name: string, bytes?: Buffer): Promise<RgbImage> {
  try {
    const content = bytes ?? (await readFile(name));
    if (isTiff(content) && isTruncatedTiff(content)) throw new Error('the file ends before its pixel data does');
    const { data, info } = await sharp(content, { failOn: 'error', limitInputPixels: false })
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return {
      width: info.width,
      height: info.height,
      data: info.channels === 3 ? data : greyToRgb(data, info.channels),
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError(
      'data/image-unreadable',
      `Cannot decode the image ${name}: ${reason}. The file is truncated or damaged: unpack or download it again.`,
      { cause },
    );
  }
}

function greyToRgb(data: Uint8Array, channels: number): Uint8Array {
  const count = data.length / channels;
  const rgb = new Uint8Array(3 * count);
  for (let index = 0; index < count; index++) rgb.fill(data[index * channels], 3 * index, 3 * index + 3);
  return rgb;
}

/** Crops, pads, resizes (Lanczos when shrinking, cubic when enlarging) and equalises a decoded picture. */
export async function preprocessImage(image: RgbImage, name: string, options: PreprocessOptions): Promise<Sample> {
  const { size, crop, clahe } = options;
  const box = crop === 'fov' ? findFieldOfView(image, name) : frameBox(image.width, image.height);
  const cut = cropRgb(image, box);
  let pixels: Uint8Array = cut.data;
  if (box.size !== size) {
    pixels = await sharp(cut.data, { raw: { width: box.size, height: box.size, channels: 3 }, limitInputPixels: false })
      .resize(size, size, { fit: 'fill', kernel: box.size > size ? 'lanczos3' : 'cubic' })
      .raw()
      .toBuffer();
  }
  if (clahe !== null) pixels = await equalise(pixels, size, clahe);
  // A plain array, not sharp's Buffer: what comes out of the cache is one too.
  const plain = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  return { size, image: plain, maskBits: null, box };
}

/** Equalises Y of YCbCr (ITU-R BT.601) and keeps the colour differences: R − Y and the like stay as they are. */
async function equalise(pixels: Uint8Array, size: number, options: ClaheOptions): Promise<Uint8Array> {
  const luminance = new Uint8Array(size * size);
  for (let index = 0, at = 0; index < luminance.length; index++, at += 3) {
    luminance[index] = Math.round(0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2]);
  }
  const window = Math.max(3, Math.round(size * options.window));
  const { data, info } = await sharp(luminance, { raw: { width: size, height: size, channels: 1 } })
    .clahe({ width: window, height: window, maxSlope: options.maxSlope })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const result = new Uint8Array(pixels.length);
  for (let index = 0, at = 0; index < luminance.length; index++, at += 3) {
    const lift = data[index * info.channels] - luminance[index];
    for (let channel = 0; channel < 3; channel++) {
      result[at + channel] = Math.min(255, Math.max(0, pixels[at + channel] + lift));
    }
  }
  return result;
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
  for (const [index, lesion] of LESIONS.entries()) {
    const path = item.maskPaths[lesion];
    if (path === null) continue;
    const expected = { width: image.width, height: image.height };
    const mask = await decodeMask(path, { lesion, expected }, files?.masks[index] ?? undefined);
    addMaskBit(mask, sample.box, options.size, options.maskResize, 1 << index, maskBits);
  }
  return { ...sample, maskBits };
}
