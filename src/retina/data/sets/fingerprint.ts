import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { writeFileAtomic } from '../../../engine/node/atomic.ts';
import { cacheFolder, cacheRoot } from '../../../engine/node/cacheFolder.ts';
import { hashFile } from '../../../engine/node/fileHash.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';

const ROWS = 32;
const COLUMNS = ROWS + 1;
/** Names the size: another size must not read these. */
const THUMBNAIL_FOLDER = 'thumbnails-33x32';

/** What identifies an image: its bytes, and what it looks like. */
export interface Fingerprint {
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string;
  /** The image as 33x32 grey values, row by row; null when the file cannot be decoded. */
  readonly thumbnail: Uint8Array | null;
}

/** Differences (of 1024 hash bits, of mean grey) up to which two images count as the same picture: both must hold. */
export interface SimilarityLimits {
  readonly hashBits: number;
  readonly meanGrey: number;
}

/**
 * Measured on 135 real and 96 synthetic fundus pictures: copies at quality 60, half, double and an eighth of the size differ by
 * at most 86 bits and 1.1 grey levels; different eyes by at least 94 bits and 3.1 levels. The usual 64-bit hash cannot tell
 * them: all fundus pictures are dark frames with a bright disc.
 */
export const DEFAULT_SIMILARITY: SimilarityLimits = { hashBits: 120, meanGrey: 1.8 };

/**
 * Fingerprints files in order. Thumbnails are kept in the cache by content hash, as decoding 500 full frames takes seconds.
 *
 * @param root of the cache; null keeps nothing.
 * @throws GmtlError `data/image-unreadable` when a file cannot be read at all. One that cannot be decoded has no thumbnail.
 */
export function fingerprintFiles(paths: readonly string[], root: string | null = cacheRoot()): Promise<Fingerprint[]> {
  const folder = root === null ? null : cacheFolder(THUMBNAIL_FOLDER, root);
  return mapParallel(paths, async (path) => {
    const sha256 = await hashFile(path);
    const stored = folder === null ? null : join(folder, sha256);
    const known = stored === null ? null : await readThumbnail(stored);
    if (known !== null) return { sha256, thumbnail: known };
    const thumbnail = await makeThumbnail(path);
    if (stored !== null && thumbnail !== null) await writeThumbnail(stored, thumbnail);
    return { sha256, thumbnail };
  });
}

async function makeThumbnail(path: string): Promise<Uint8Array | null> {
  try {
    const { data, info } = await sharp(path, { limitInputPixels: false })
      .greyscale()
      .resize(COLUMNS, ROWS, { fit: 'fill', kernel: 'mitchell' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    return Uint8Array.from({ length: COLUMNS * ROWS }, (_, index) => data[index * info.channels]);
  } catch {
    return null;
  }
}

async function readThumbnail(path: string): Promise<Uint8Array | null> {
  const bytes = await readFile(path).catch(() => null);
  const length = COLUMNS * ROWS;
  if (bytes === null || bytes.length !== length + 4) return null;
  if (crc32(bytes.subarray(0, length)) !== bytes.readUInt32LE(length)) return null;
  return Uint8Array.from(bytes.subarray(0, length));
}

async function writeThumbnail(path: string, thumbnail: Uint8Array): Promise<void> {
  const bytes = Buffer.alloc(thumbnail.length + 4);
  bytes.set(thumbnail);
  bytes.writeUInt32LE(crc32(thumbnail), thumbnail.length);
  await writeFileAtomic(path, bytes);
}

/**
 * The number of bits in which two thumbnails' difference hashes differ, 0 … 1024 (dHash: is a pixel brighter than its right
 * neighbour; Krawetz, "Kind of like that", hackerfactor.com 2013).
 */
export function hashDistance(a: Uint8Array, b: Uint8Array): number {
  let distance = 0;
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS - 1; column++) {
      const at = row * COLUMNS + column;
      if (a[at] > a[at + 1] !== b[at] > b[at + 1]) distance++;
    }
  }
  return distance;
}

/** How two images relate: the same bytes, the same picture, or neither. */
export function compareFingerprints(
  a: Fingerprint,
  b: Fingerprint,
  limits: SimilarityLimits = DEFAULT_SIMILARITY,
): 'identical' | 'similar' | null {
  if (a.sha256 === b.sha256) return 'identical';
  if (a.thumbnail === null || b.thumbnail === null) return null;
  if (hashDistance(a.thumbnail, b.thumbnail) > limits.hashBits) return null;
  let difference = 0;
  for (let index = 0; index < a.thumbnail.length; index++)
    difference += Math.abs(a.thumbnail[index] - b.thumbnail[index]);
  return difference / a.thumbnail.length <= limits.meanGrey ? 'similar' : null;
}

/**
 * Groups images that show the same picture (transitively).
 *
 * @returns for each image the index of the first image of its group.
 */
export function groupSamePictures(
  fingerprints: readonly Fingerprint[],
  limits: SimilarityLimits = DEFAULT_SIMILARITY,
): Int32Array {
  const parent = Int32Array.from({ length: fingerprints.length }, (_, index) => index);
  const find = (index: number): number => {
    let root = index;
    while (parent[root] !== root) root = parent[root];
    return root;
  };
  for (let later = 1; later < fingerprints.length; later++) {
    for (let earlier = 0; earlier < later; earlier++) {
      if (compareFingerprints(fingerprints[earlier], fingerprints[later], limits) === null) continue;
      const a = find(earlier);
      const b = find(later);
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  return parent.map((_, index) => find(index));
}
