/** Decodes an image of a data set and its masks to see whether training could, and remembers those that are sound. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { GmtlError } from '../../../engine/errors.ts';
import { readIfPresent } from '../../../engine/node/atomic.ts';
import { cacheFolder } from '../../../engine/node/cacheFolder.ts';
import { hashFile } from '../../../engine/node/fileHash.ts';
import { type DatasetItem, type Structure, STRUCTURES } from '../../domain.ts';
import { keepInCache } from '../cacheWrite.ts';
import { findFieldOfView } from '../pictures/fov.ts';
import { decodeMask } from '../pictures/mask.ts';
import { decodeImage } from '../pictures/preprocess.ts';

/** Names what is kept. Count it up where other files count as sound, or more is measured of them. */
const FOLDER = 'sound-1';

/** What decoding an item found. */
export interface Decoded {
  /** 0 when the image cannot be decoded. */
  readonly width: number;
  readonly height: number;
  readonly pixels: number;
  /** Marked pixels of each mask that is there and sound. */
  readonly foreground: Partial<Record<Structure, number>>;
  readonly errors: readonly GmtlError[];
}

/**
 * Decodes an item. Items without errors are remembered by the contents of their files; the others are looked at each time.
 *
 * @param sha256 of the image.
 * @param root of the cache; null: nothing is remembered.
 */
export async function decodeItem(item: DatasetItem, sha256: string, root: string | null): Promise<Decoded> {
  const stored = root === null ? null : await pathOf(item, sha256, root);
  const known = stored === null ? null : parse(readIfPresent(stored), item);
  if (known !== null) return known;
  const decoded = await decode(item);
  if (root !== null && stored !== null && decoded.errors.length === 0) {
    await keepInCache(root, stored, Buffer.from(format(decoded)));
  }
  return decoded;
}

async function decode(item: DatasetItem): Promise<Decoded> {
  const errors: GmtlError[] = [];
  const foreground: Partial<Record<Structure, number>> = {};
  let [width, height] = [0, 0];
  try {
    const image = await decodeImage(item.imagePath);
    ({ width, height } = image);
    // Training crops to the field of view, and refuses a picture without one.
    collect(errors, () => findFieldOfView(image, item.imagePath));
    for (const structure of STRUCTURES) {
      const path = item.maskPaths?.[structure] ?? null;
      if (path === null) continue;
      try {
        foreground[structure] = (await decodeMask(path, { structure, expected: image })).foreground;
      } catch (error) {
        errors.push(asUserError(error));
      }
    }
  } catch (error) {
    errors.push(asUserError(error));
  }
  return { width, height, pixels: width * height, foreground, errors };
}

/** Runs a check and keeps what it finds. */
function collect(errors: GmtlError[], check: () => void): void {
  try {
    check();
  } catch (error) {
    errors.push(asUserError(error));
  }
}

/** Findings about files are collected; anything else is a bug and goes up. */
function asUserError(error: unknown): GmtlError {
  if (error instanceof GmtlError) return error;
  throw error;
}

/** Where a sound item is remembered; null where a mask cannot be read. */
async function pathOf({ maskPaths }: DatasetItem, sha256: string, root: string): Promise<string | null> {
  const folder = cacheFolder(FOLDER, root);
  if (maskPaths === null) return join(folder, sha256);
  const hash = createHash('sha256').update(sha256);
  for (const structure of STRUCTURES) {
    const path = maskPaths[structure];
    if (path === null) continue;
    const content = await hashFile(path).catch(() => null);
    if (content === null) return null;
    hash.update(`${structure} ${content}`);
  }
  return join(folder, hash.digest('hex'));
}

/** Width, height and the masks' marked pixels in the order of `STRUCTURES`. */
function format({ width, height, foreground }: Decoded): string {
  return `${JSON.stringify([width, height, ...STRUCTURES.flatMap((structure) => foreground[structure] ?? [])])}\n`;
}

function parse(text: string | undefined, { maskPaths }: DatasetItem): Decoded | null {
  const present = STRUCTURES.filter((structure) => (maskPaths?.[structure] ?? null) !== null);
  if (text === undefined || !/^\[\d+(,\d+)+\]\n$/.test(text)) return null;
  const [width, height, ...counts] = JSON.parse(text) as number[];
  if (height === undefined || counts.length !== present.length) return null;
  const foreground = Object.fromEntries(present.map((structure, index) => [structure, counts[index]]));
  return { width, height, pixels: width * height, foreground, errors: [] };
}
