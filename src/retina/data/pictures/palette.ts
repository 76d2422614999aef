/** Relabels palette masks as gray, so that decoding gives palette indices. */
import { crc32 } from 'node:zlib';
import { isTiff, tiffPaletteAsGray } from './tiff.ts';

/*
 * IDRiD's masks are 1-bit PALETTE images whose entry 1 is red. Decoders expand palettes to colors, and a luminance
 * threshold on those loses the mask (red is 76 of 255). What is wanted is the palette INDEX. Rather than decode TIFF a
 * second time in JavaScript, the header is relabeled in memory from "palette" to "gray": the same decoder (libtiff /
 * libpng, with all their compressions) then hands out the stored indices. Gray of fewer than 8 bits is scaled up, which keeps
 * zero zero and everything else above zero.
 */

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** True when the bytes start like a PNG. */
function isPng(bytes: Buffer): boolean {
  return bytes.length >= 33 && bytes.subarray(0, 8).equals(PNG_SIGNATURE);
}

/**
 * A palette TIFF or PNG relabeled as gray, so that decoding gives palette indices (scaled to 8 bits if fewer).
 *
 * @returns the relabeled copy, or null when the file has no palette (decode the original then).
 */
export function paletteAsGray(bytes: Buffer): Buffer | null {
  if (isTiff(bytes)) return tiffPaletteAsGray(bytes);
  if (isPng(bytes)) return pngPaletteAsGray(bytes);
  return null;
}

/** PNG (ISO/IEC 15948): color type 3 and 0 store the same packed samples; a gray PNG must not carry PLTE. */
function pngPaletteAsGray(bytes: Buffer): Buffer | null {
  const colorTypeAt = 25;
  if (bytes[colorTypeAt] !== 3) return null;
  const parts: Buffer[] = [bytes.subarray(0, 8)];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const end = at + 12 + bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (type === 'IHDR') {
      const header = Buffer.from(bytes.subarray(at, end));
      header[colorTypeAt - at] = 0;
      header.writeUInt32BE(crc32(header.subarray(4, header.length - 4)), header.length - 4);
      parts.push(header);
    } else if (type === 'IDAT' || type === 'IEND') {
      parts.push(bytes.subarray(at, Math.min(end, bytes.length)));
    }
    at = end;
  }
  return Buffer.concat(parts);
}
