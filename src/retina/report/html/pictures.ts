/** Pictures and masks in the form the page's script reads. */
import { deflateRawSync } from 'node:zlib';
import { sharp } from '../../../engine/node/optional.ts';
import { GmtlError } from '../../../engine/errors.ts';
import { STRUCTURES } from '../../domain.ts';
import { checkImage } from '../overlay.ts';
import type { GalleryImage, MaskSet, GradeData } from './data.ts';
import { isNumber } from './format.ts';

/** Masks for the page: one byte per pixel, bit k set where `STRUCTURES[k]` is; deflated without a header, base64. */
export interface PackedMasks {
  readonly width: number;
  readonly height: number;
  /** Bit k: there is a mask of `STRUCTURES[k]`, even if it is empty. */
  readonly known: number;
  readonly bits: string;
}

/**
 * Packs masks for a picture of `side` pixels at most; larger ones are shrunk so that every lesion stays (a pixel is set if any source
 * pixel is).
 * @throws GmtlError `report/size` naming picture and structure when a mask does not have width × height pixels.
 */
export function packMasks(set: MaskSet, side: number, where: string): PackedMasks {
  const scale = Math.min(1, side / Math.max(set.width, set.height));
  const width = Math.max(1, Math.round(set.width * scale));
  const height = Math.max(1, Math.round(set.height * scale));
  const bytes = new Uint8Array(width * height);
  let known = 0;
  STRUCTURES.forEach((structure, bit) => {
    const mask = set.masks[structure];
    if (mask === undefined) return;
    if (mask.length !== set.width * set.height) {
      throw new GmtlError(
        'report/size',
        `${where}, ${structure}: the mask has ${mask.length} pixels, not ${set.width} × ${set.height}.`,
      );
    }
    known |= 1 << bit;
    for (let y = 0; y < set.height; y++) {
      const row = Math.min(height - 1, Math.floor((y * height) / set.height)) * width;
      for (let x = 0; x < set.width; x++) {
        if (mask[y * set.width + x] === 0) continue;
        bytes[row + Math.min(width - 1, Math.floor((x * width) / set.width))] |= 1 << bit;
      }
    }
  });
  return { width, height, known, bits: deflateRawSync(bytes, { level: 9 }).toString('base64') };
}

/**
 * A picture as a `data:` address, scaled down to `side`.
 * @throws GmtlError `report/size` when its buffer does not fit its size.
 */
export async function jpegAddress(
  { image, id }: GalleryImage,
  side: number,
  quality: number,
): Promise<{ address: string; width: number; height: number }> {
  checkImage(image, {}, id);
  const { data, info } = await sharp(image.data, {
    raw: { width: image.width, height: image.height, channels: 3 },
    limitInputPixels: false,
  })
    .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality, mozjpeg: true })
    .toBuffer({ resolveWithObject: true });
  return { address: `data:image/jpeg;base64,${data.toString('base64')}`, width: info.width, height: info.height };
}

/** From this probability of its choice on a gate of two routes has decided; below, it is as good as a coin's toss. */
const DECIDED = 0.55;

/** Whether the gate chose a route with less than {@link DECIDED}. */
export function isUndecided({ gate }: GalleryImage): boolean {
  return gate !== undefined && gate.probability < DECIDED;
}

/** Whether the gate decided for a route other than the picture's own. */
export function isMisrouted(picture: GalleryImage): boolean {
  const { gate } = picture;
  return gate?.truth !== undefined && gate.truth !== gate.routed && !isUndecided(picture);
}

/** Mean Dice over the structures that are defined in the picture; NaN without one. */
export function meanDiceOf({ dice }: GalleryImage): number {
  const values = Object.values(dice ?? {}).filter(isNumber);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Distance of a grade to its truth as a share of the scale; 0 where it was not graded. */
function gradeError({ truth, predicted, names }: GradeData): number {
  if (truth === null || truth === predicted) return 0;
  return Math.abs(truth - predicted) / Math.max(1, (names?.length ?? 5) - 1);
}

/**
 * How bad the prediction of a picture is, 0 to 1: 1 − mean Dice of the structures where masks are known, otherwise half for a wrong grade
 * and the rest by its distance. Misrouting does not add to it: experts are judged apart from the gate.
 */
export function badnessOf(picture: GalleryImage): number {
  if (picture.badness !== undefined && isNumber(picture.badness)) return picture.badness;
  const dice = meanDiceOf(picture);
  if (isNumber(dice)) return 1 - dice;
  const worst = Math.max(0, ...(picture.grades ?? []).map(gradeError));
  return worst === 0 ? 0 : 0.5 + worst / 2;
}
