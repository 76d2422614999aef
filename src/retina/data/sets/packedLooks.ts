/** Thumbnails in the form in which very many are compared: hash bits in words, gray values summed over blocks. */
import { THUMBNAIL_COLUMNS, THUMBNAIL_ROWS } from './fingerprint.ts';

export const PIXELS = THUMBNAIL_COLUMNS * THUMBNAIL_ROWS;

/** 32-bit words of a difference hash: one for each row. */
export const WORDS = THUMBNAIL_ROWS;

/** Blocks along a side. Their order is coarse to fine, by bit reversal, so that a difference shows early. */
const SIDE = 8;
const REVERSED = [0, 4, 2, 6, 1, 5, 3, 7];

/** Blocks of a thumbnail: 4 x 4 pixels, the last of a row 5 x 4. A sum is at most 20 · 255. */
export const SUMS = SIDE * SIDE;

/** Many looks, one behind the other: {@link SUMS} sums and {@link WORDS} words each. */
export interface PackedLooks {
  readonly sums: Int16Array;
  readonly bits: Int32Array;
}

/** Writes a thumbnail's sums and bits to place `at`. */
export function packLook(thumbnail: Uint8Array, { sums, bits }: PackedLooks, at: number): void {
  for (let row = 0; row < THUMBNAIL_ROWS; row++) {
    const start = row * THUMBNAIL_COLUMNS;
    const blocks = at * SUMS + SIDE * REVERSED[row >> 2];
    let word = 0;
    for (let column = 0; column < THUMBNAIL_COLUMNS; column++) {
      const gray = thumbnail[start + column];
      sums[blocks + REVERSED[Math.min(SIDE - 1, column >> 2)]] += gray;
      if (column < THUMBNAIL_COLUMNS - 1 && gray > thumbnail[start + column + 1]) word |= 1 << column;
    }
    bits[at * WORDS + row] = word;
  }
}

/** In how many bits two packed hashes differ. */
export function differingBits(bits: Int32Array, one: number, other: number): number {
  let count = 0;
  for (let word = 0; word < WORDS; word++) count += ones(bits[one * WORDS + word] ^ bits[other * WORDS + word]);
  return count;
}

/** The ones of a word (Warren, Hacker's Delight, 2nd edition, section 5-1). */
function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
