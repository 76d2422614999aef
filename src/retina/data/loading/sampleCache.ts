/** Keeps prepared samples on disk. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { GmtlError } from '../../../engine/errors.ts';
import { cacheFolder } from '../../../engine/node/cacheFolder.ts';
import { keepInCache } from '../cacheWrite.ts';
import { type ItemFiles, preprocessItem } from '../pictures/preprocess.ts';
import { readPicture } from '../pictures/openPicture.ts';
import type { PreprocessOptions, Sample } from '../pictures/sample.ts';
import { type DatasetItem, STRUCTURES } from '../../domain.ts';

/** Raise when preprocessing changes its results: entries of other versions are never read. */
const CACHE_VERSION = 4;
const MAGIC = 0x314d_5347;
const HEADER_BYTES = 32;

/** What the cache did so far. */
export interface CacheCounts {
  hits: number;
  misses: number;
  /** Entries that were damaged (cut short, altered) and made again. */
  rebuilt: number;
}

/**
 * Preprocessed samples on disk. An entry's name is a hash of the CONTENT of the item's files, of the settings and of the
 * version, so edited files, other sizes and other programs' versions never meet. Entries end in a CRC-32: a damaged one is
 * detected and made again. Writing is atomic, so several processes may share the folder.
 */
export class SampleCache {
  readonly counts: CacheCounts = { hits: 0, misses: 0, rebuilt: 0 };
  readonly #root: string | null;
  readonly #folder: string | null;
  /** Content hashes of files, valid while size and modification time stay. */
  readonly #hashes = new Map<string, { stamp: string; hash: string }>();

  /** @param root of the cache; null: nothing is kept, every call preprocesses. */
  constructor(root: string | null) {
    this.#root = root;
    this.#folder = root === null ? null : cacheFolder('samples', root);
  }

  /**
   * The preprocessed sample of an item, from the cache or made now.
   *
   * @throws GmtlError naming the file: what `preprocessItem` throws, `data/image-unreadable`.
   */
  async sample(item: DatasetItem, options: PreprocessOptions): Promise<Sample> {
    if (this.#folder === null) return preprocessItem(item, options);
    const paths = [item.imagePath, ...STRUCTURES.map((structure) => item.maskPaths?.[structure] ?? null)];
    const contents: (Buffer | null)[] = paths.map(() => null);
    const hashes: string[] = [];
    for (const [index, path] of paths.entries()) {
      if (path === null) {
        hashes.push('');
        continue;
      }
      const stamp = await fileStamp(path);
      const known = this.#hashes.get(path);
      if (known !== undefined && known.stamp === stamp) {
        hashes.push(known.hash);
        continue;
      }
      const content = await readPicture(path);
      const hash = createHash('sha256').update(content).digest('hex');
      this.#hashes.set(path, { stamp, hash });
      contents[index] = content;
      hashes.push(hash);
    }
    // Field by field, as the order of an object's must not matter; an option forgotten here does not compile.
    const { size, crop, maskResize, clahe, benGraham, ...rest } = options;
    rest satisfies Record<string, never>;
    const settings = {
      version: CACHE_VERSION,
      size,
      crop,
      maskResize,
      clahe: clahe && [clahe.clipLimit, clahe.tiles],
      benGraham,
      hasMasks: item.maskPaths !== null,
      hashes,
    };
    const key = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
    const path = join(this.#folder, key.slice(0, 2), `${key.slice(2)}.bin`);
    const stored = await readFile(path).catch(() => null);
    if (stored !== null) {
      const sample = decodeEntry(stored);
      if (sample !== null) {
        this.counts.hits++;
        return sample;
      }
      this.counts.rebuilt++;
    } else {
      this.counts.misses++;
    }
    const image = contents[0] ?? (await readPicture(item.imagePath));
    const files: ItemFiles = { image, masks: contents.slice(1) };
    const sample = await preprocessItem(item, options, files);
    await keepInCache(this.#root!, path, encodeEntry(sample));
    return sample;
  }
}

function unreadable(path: string, cause: unknown): GmtlError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GmtlError('data/image-unreadable', `Cannot read ${path}: ${reason}.`, { cause });
}

async function fileStamp(path: string): Promise<string> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return `${entry.size}:${entry.mtimeMs}`;
}

/** Little-endian int32 header (magic, size, has masks, box), the picture, the mask bits, CRC-32 of all that. */
function encodeEntry(sample: Sample): Buffer {
  const { size, image, maskBits, box } = sample;
  const bytes = Buffer.alloc(HEADER_BYTES + image.length + (maskBits?.length ?? 0) + 4);
  const header = [MAGIC, size, maskBits === null ? 0 : 1, box.left, box.top, box.size, box.width, box.height];
  for (const [index, value] of header.entries()) bytes.writeInt32LE(value, 4 * index);
  bytes.set(image, HEADER_BYTES);
  if (maskBits !== null) bytes.set(maskBits, HEADER_BYTES + image.length);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
  return bytes;
}

/** null when the entry is damaged. */
function decodeEntry(bytes: Buffer): Sample | null {
  if (bytes.length < HEADER_BYTES + 4 || bytes.readInt32LE(0) !== MAGIC) return null;
  const field = (index: number) => bytes.readInt32LE(4 * index);
  const size = field(1);
  const pixels = size * size;
  const hasMasks = field(2) === 1;
  const end = HEADER_BYTES + pixels * (hasMasks ? 4 : 3);
  if (bytes.length !== end + 4 || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return null;
  // Copies: a view would keep the whole file's buffer alive and unaccounted for.
  const image = new Uint8Array(bytes.subarray(HEADER_BYTES, HEADER_BYTES + 3 * pixels));
  const maskBits = hasMasks ? new Uint8Array(bytes.subarray(HEADER_BYTES + 3 * pixels, end)) : null;
  return {
    size,
    image,
    maskBits,
    box: { left: field(3), top: field(4), size: field(5), width: field(6), height: field(7) },
  };
}
