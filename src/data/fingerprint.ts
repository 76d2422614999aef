import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { GmtlError } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { mapParallel } from './parallel.ts';

const ROWS = 16;
const COLUMNS = ROWS + 1;

/** What identifies an image: its bytes, and what it looks like. */
export interface Fingerprint {
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string;
  /** The image as 17x16 grey values, row by row; null when the file cannot be decoded. */
  readonly thumbnail: Uint8Array | null;
}

/** Differences (of 256 hash bits, of mean grey) up to which two images count as the same picture. */
export interface SimilarityLimits {
  readonly hashBits: number;
  readonly meanGrey: number;
}

/**
 * A re-encoded or resized copy differs in 0 … 6 bits. Different eyes differ in at least 15 (the least of 12,000 pairs of real
 * fundus images; all of them are dark frames with a bright disc, hence the finer 256-bit hash instead of the usual 64 bits).
 */
export const DEFAULT_SIMILARITY: SimilarityLimits = { hashBits: 8, meanGrey: 6 };

/**
 * Fingerprints files in order. Thumbnails are kept in `cacheFolder` by content hash, as decoding 500 full frames takes
 * seconds; null keeps nothing.
 *
 * @throws GmtlError `data/image-unreadable` when a file cannot be read at all. One that cannot be decoded has no thumbnail.
 */
export function fingerprintFiles(paths: readonly string[], cacheFolder: string | null): Promise<Fingerprint[]> {
  return mapParallel(paths, async (path) => {
    const bytes = await readFile(path).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new GmtlError('data/image-unreadable', `Cannot read the image ${path}: ${reason}.`, { cause });
    });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const stored = cacheFolder === null ? null : join(cacheFolder, 'thumbnails', sha256);
    const known = stored === null ? null : await readThumbnail(stored);
    if (known !== null) return { sha256, thumbnail: known };
    const thumbnail = await makeThumbnail(bytes);
    if (stored !== null && thumbnail !== null) await writeThumbnail(stored, thumbnail);
    return { sha256, thumbnail };
  });
}

async function makeThumbnail(bytes: Buffer): Promise<Uint8Array | null> {
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: false })
      .greyscale()
      .resize(COLUMNS, ROWS, { fit: 'fill' })
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
 * The number of bits in which two thumbnails' difference hashes differ, 0 … 256 (dHash: is a pixel brighter than its right
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
