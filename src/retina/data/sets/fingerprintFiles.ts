/** Fingerprints image files: what is compared to find copies of a picture. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { sharp } from '../../../engine/node/optional.ts';
import { writeFileAtomic } from '../../../engine/node/atomic.ts';
import { cacheFolder, cacheRoot } from '../../../engine/node/cacheFolder.ts';
import { hashFile } from '../../../engine/node/fileHash.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';
import { THUMBNAIL_COLUMNS, type Fingerprint, THUMBNAIL_ROWS } from './fingerprint.ts';

/** Names the size: another size must not read these. */
const THUMBNAIL_FOLDER = 'thumbnails-33x32';

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
      .resize(THUMBNAIL_COLUMNS, THUMBNAIL_ROWS, { fit: 'fill', kernel: 'mitchell' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    return Uint8Array.from({ length: THUMBNAIL_COLUMNS * THUMBNAIL_ROWS }, (_, index) => data[index * info.channels]);
  } catch {
    return null;
  }
}

async function readThumbnail(path: string): Promise<Uint8Array | null> {
  const bytes = await readFile(path).catch(() => null);
  const length = THUMBNAIL_COLUMNS * THUMBNAIL_ROWS;
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
