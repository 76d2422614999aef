/** As much of TIFF 6.0 (and BigTIFF) as the masks need beside the decoder: the first image file directory. */

const TAG_BITS_PER_SAMPLE = 258;
const TAG_COMPRESSION = 259;
const TAG_PHOTOMETRIC = 262;
const TAG_STRIP_OFFSETS = 273;
const TAG_STRIP_BYTE_COUNTS = 279;
const TAG_TILE_OFFSETS = 324;
const TAG_TILE_BYTE_COUNTS = 325;
const TAG_CHROMA_SUBSAMPLING = 530;
const PHOTOMETRIC_MIN_IS_BLACK = 1;
const PHOTOMETRIC_PALETTE = 3;
const PHOTOMETRIC_YCBCR = 6;
/** Old and new JPEG in TIFF, which libjpeg converts to RGB. */
const COMPRESSION_JPEG: readonly number[] = [6, 7];
/** Bytes of the integer field types SHORT, LONG and LONG8. */
const TYPE_BYTES: Readonly<Record<number, number>> = { 3: 2, 4: 4, 16: 8 };

interface Directory {
  /** Values of an integer field; empty when it is absent. */
  readonly values: (tag: number) => number[];
  /** Where a field's value is stored, −1 when it is absent. */
  readonly valueAt: (tag: number) => number;
  readonly little: boolean;
}

/** True when the bytes start like a TIFF (classic or BigTIFF, either byte order). */
export function isTiff(bytes: Buffer): boolean {
  if (bytes.length < 8) return false;
  const order = bytes.toString('latin1', 0, 2);
  if (order !== 'II' && order !== 'MM') return false;
  const version = order === 'II' ? bytes.readUInt16LE(2) : bytes.readUInt16BE(2);
  return version === 42 || version === 43;
}

/** The first directory; null when the file ends before it does. */
function readDirectory(bytes: Buffer): Directory | null {
  const little = bytes[0] === 0x49;
  const unsigned = (at: number, size: number): number => {
    if (size === 8) return Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
    return little ? bytes.readUIntLE(at, size) : bytes.readUIntBE(at, size);
  };
  try {
    const big = unsigned(2, 2) === 43;
    const start = big ? unsigned(8, 8) : unsigned(4, 4);
    const count = unsigned(start, big ? 8 : 2);
    const entries = new Map<number, { type: number; count: number; valueAt: number }>();
    for (let index = 0; index < count; index++) {
      const at = start + (big ? 8 + 20 * index : 2 + 12 * index);
      const type = unsigned(at + 2, 2);
      const values = unsigned(at + 4, big ? 8 : 4);
      const inline = (TYPE_BYTES[type] ?? 1) * values <= (big ? 8 : 4);
      const field = at + (big ? 12 : 8);
      entries.set(unsigned(at, 2), { type, count: values, valueAt: inline ? field : unsigned(field, big ? 8 : 4) });
    }
    return {
      little,
      valueAt: (tag) => entries.get(tag)?.valueAt ?? -1,
      values: (tag) => {
        const entry = entries.get(tag);
        const size = TYPE_BYTES[entry?.type ?? 0];
        if (entry === undefined || size === undefined) return [];
        return Array.from({ length: entry.count }, (_, index) => unsigned(entry.valueAt + size * index, size));
      },
    };
  } catch (error) {
    // Reading beyond the end of the buffer.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * True when the file ends before its pixel data does. libtiff only warns about it and hands out zeros, that is an empty mask;
 * making all its warnings fatal would refuse sound files that carry private tags.
 */
export function isTruncatedTiff(bytes: Buffer): boolean {
  const directory = readDirectory(bytes);
  if (directory === null) return true;
  try {
    for (const [offsetTag, countTag] of [
      [TAG_STRIP_OFFSETS, TAG_STRIP_BYTE_COUNTS],
      [TAG_TILE_OFFSETS, TAG_TILE_BYTE_COUNTS],
    ]) {
      const offsets = directory.values(offsetTag);
      const counts = directory.values(countTag);
      if (offsets.some((offset, index) => offset + (counts[index] ?? 0) > bytes.length)) return true;
    }
    return false;
  } catch (error) {
    if (error instanceof RangeError) return true;
    throw error;
  }
}

/** Colors that libvips hands out as if they were red, green and blue: luma and chroma at full resolution, outside JPEG (it converts subsampled ones). null for other files. */
export function unconvertedColors(bytes: Buffer): string | null {
  const directory = readDirectory(bytes);
  if (directory?.values(TAG_PHOTOMETRIC)[0] !== PHOTOMETRIC_YCBCR) return null;
  if (COMPRESSION_JPEG.includes(directory.values(TAG_COMPRESSION)[0])) return null;
  const subsampling = directory.values(TAG_CHROMA_SUBSAMPLING);
  return subsampling.length > 0 && subsampling.every((factor) => factor === 1) ? 'luma and chroma (YCbCr)' : null;
}

/** A palette TIFF of at most 8 bits relabeled as gray; null for any other TIFF. See palette.ts for why. */
export function tiffPaletteAsGray(bytes: Buffer): Buffer | null {
  const directory = readDirectory(bytes);
  if (directory === null || directory.values(TAG_PHOTOMETRIC)[0] !== PHOTOMETRIC_PALETTE) return null;
  if ((directory.values(TAG_BITS_PER_SAMPLE)[0] ?? 1) > 8) return null;
  const copy = Buffer.from(bytes);
  const at = directory.valueAt(TAG_PHOTOMETRIC);
  if (directory.little) copy.writeUInt16LE(PHOTOMETRIC_MIN_IS_BLACK, at);
  else copy.writeUInt16BE(PHOTOMETRIC_MIN_IS_BLACK, at);
  return copy;
}
