/** Prepares a decoded picture for the network, by the same steps wherever it runs. */
import type { RgbImage } from '../../domain.ts';
import { type CropBox, findFieldOfView, frameBox } from './fov.ts';
import { contentOf, cropRgb } from './geometry.ts';
import type { ClaheOptions, PreprocessOptions, Sample } from './sample.ts';

/** What resizes a square picture and evens out its light. All take RGB bytes and change none. */
export interface PictureTools {
  /** Lanczos when shrinking, cubic when enlarging. */
  resize(pixels: Uint8Array, from: number, to: number): Promise<Uint8Array> | Uint8Array;
  /** @throws GmtlError `data/clahe-options` for numbers out of range. */
  equalizeLightness(pixels: Uint8Array, size: number, options: ClaheOptions): Promise<Uint8Array> | Uint8Array;
  normalizeBenGraham(
    pixels: Uint8Array,
    size: number,
    content: readonly [left: number, top: number, right: number, bottom: number],
  ): Promise<Uint8Array> | Uint8Array;
}

/** A picture cut to the square that the network sees, before it is resized. */
export interface Square {
  readonly box: CropBox;
  /** RGB, `box.size` pixels per side. */
  readonly pixels: Uint8Array;
}

/** Cuts and pads a decoded picture. @throws GmtlError what `findFieldOfView` throws. */
export function squareOf(image: RgbImage, name: string, crop: PreprocessOptions['crop']): Square {
  const box = crop === 'fov' ? findFieldOfView(image, name) : frameBox(image.width, image.height);
  return { box, pixels: cropRgb(image, box).data };
}

/**
 * Crops, pads and resizes a decoded picture; then CLAHE, then Ben Graham's normalization, where asked for. Neither of the two changes masks.
 *
 * @param square of the picture, where it was cut before.
 * @throws GmtlError what `findFieldOfView` and `equalizeLightness` throw.
 */
export async function preparePictureWith(
  tools: PictureTools,
  image: RgbImage,
  name: string,
  { size, crop, clahe, benGraham }: PreprocessOptions,
  square: Square = squareOf(image, name, crop),
): Promise<Sample> {
  const { box } = square;
  let { pixels } = square;
  if (box.size !== size) pixels = await tools.resize(pixels, box.size, size);
  if (clahe !== null) pixels = await tools.equalizeLightness(pixels, size, clahe);
  if (benGraham) pixels = await tools.normalizeBenGraham(pixels, size, contentOf(box, size));
  // A plain array, not sharp's Buffer: what comes out of the cache is one too.
  const plain = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  return { size, image: plain, maskBits: null, box };
}
