/** Fingerprints image files: what is compared to find copies of a picture. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { GmtlError } from '../../../engine/errors.ts';
import { sharp } from '../../../engine/node/optional.ts';
import { cacheFolder, cacheRoot } from '../../../engine/node/cacheFolder.ts';
import { hashFile } from '../../../engine/node/fileHash.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';
import { keepInCache } from '../cacheWrite.ts';
import { LIMITED, sharpSource } from '../pictures/openPicture.ts';
import { DETAIL_SIDE, detailOf, isFlat } from './detail.ts';
import { THUMBNAIL_COLUMNS, type Fingerprint, THUMBNAIL_ROWS } from './fingerprint.ts';

/** Names what is kept: other sizes must not read these. */
const FOLDER = 'looks-33x32-128';

const THUMBNAIL_BYTES = THUMBNAIL_COLUMNS * THUMBNAIL_ROWS;
const DETAIL_BYTES = DETAIL_SIDE * DETAIL_SIDE;

/** What an image looks like. */
interface Look {
  readonly thumbnail: Uint8Array;
  readonly detail: Int8Array;
}

/** The options of {@link fingerprintFiles}. */
export interface FingerprintOptions {
  /** Root of the cache; null keeps nothing. Default: `cacheRoot()`. */
  readonly root?: string | null;
  /** Called after each file. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Fingerprints files in order. What they look like is kept in the cache by content hash, as decoding 500 full frames takes seconds, and the
 * details stay there until they are asked for: 1 kB for each file is held in memory, without a cache 18 kB.
 *
 * @throws GmtlError `data/image-unreadable` when a file cannot be read at all. One that cannot be decoded looks like nothing.
 */
export function fingerprintFiles(
  paths: readonly string[],
  { root = cacheRoot(), onProgress }: FingerprintOptions = {},
): Promise<Fingerprint[]> {
  let done = 0;
  return mapParallel(paths, async (path) => {
    const print = await fingerprintFile(path, root);
    onProgress?.(++done, paths.length);
    return print;
  });
}

/** The fingerprint of one file, as {@link fingerprintFiles} makes it. */
export async function fingerprintFile(path: string, root: string | null): Promise<Fingerprint> {
  const sha256 = await hashFile(path);
  const stored = root === null ? null : join(cacheFolder(FOLDER, root), sha256);
  const known = stored === null ? null : parseLook(await readFile(stored).catch(() => null));
  const look = known ?? (await lookAt(path));
  if (look === null || isFlat(look.detail)) return { sha256, thumbnail: null, detail: null };
  const isKept =
    known !== null || (root !== null && stored !== null && (await keepInCache(root, stored, lookBytes(look))));
  if (!isKept || stored === null) return { sha256, ...look };
  return {
    sha256,
    thumbnail: look.thumbnail,
    get detail() {
      return detailFrom(stored);
    },
  };
}

/** The detail of a look that was in the cache a moment ago. */
function detailFrom(stored: string): Int8Array {
  let look: Look | null = null;
  try {
    look = parseLook(readFileSync(stored));
  } catch {
    // Said below.
  }
  if (look !== null) return look.detail;
  throw new GmtlError(
    'data/cache-changed',
    `${stored} was taken from the cache, or damaged, while it was in use. Run the command again; the file is made anew.`,
  );
}

async function lookAt(path: string): Promise<Look | null> {
  try {
    const source = await sharpSource(path);
    const { data, info } = await sharp(source, LIMITED)
      .autoOrient()
      .grayscale()
      .resize(THUMBNAIL_COLUMNS, THUMBNAIL_ROWS, { fit: 'fill', kernel: 'mitchell' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const thumbnail = Uint8Array.from({ length: THUMBNAIL_BYTES }, (_, index) => data[index * info.channels]);
    return { thumbnail, detail: await readDetail(source) };
  } catch {
    return null;
  }
}

async function readDetail(source: string | Buffer): Promise<Int8Array> {
  const { data, info } = await sharp(source, LIMITED)
    .autoOrient()
    .pipelineColourspace('rgb16')
    .toColourspace('grey16')
    .resize(DETAIL_SIDE, DETAIL_SIDE, { fit: 'fill', kernel: 'mitchell' })
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const samples = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
  const gray = new Uint16Array(DETAIL_BYTES);
  for (let index = 0; index < gray.length; index++) gray[index] = samples[index * info.channels];
  return detailOf(gray);
}

function parseLook(bytes: Buffer | null): Look | null {
  const length = THUMBNAIL_BYTES + DETAIL_BYTES;
  if (bytes === null || bytes.length !== length + 4) return null;
  if (crc32(bytes.subarray(0, length)) !== bytes.readUInt32LE(length)) return null;
  return {
    thumbnail: Uint8Array.from(bytes.subarray(0, THUMBNAIL_BYTES)),
    detail: Int8Array.from(new Int8Array(bytes.buffer, bytes.byteOffset + THUMBNAIL_BYTES, DETAIL_BYTES)),
  };
}

function lookBytes({ thumbnail, detail }: Look): Buffer {
  const length = THUMBNAIL_BYTES + DETAIL_BYTES;
  const bytes = Buffer.alloc(length + 4);
  bytes.set(thumbnail);
  bytes.set(new Uint8Array(detail.buffer, detail.byteOffset, detail.length), THUMBNAIL_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, length)), length);
  return bytes;
}
