/** CLAHE of the lightness in plain arithmetic: what browsers use in place of OpenCV, whose convention it follows. */
import { requireClaheOptions } from './claheOptions.ts';
import { labToRgb, rgbToLab } from './lab.ts';
import type { ClaheOptions } from './sample.ts';

const LEVELS = 256;

/**
 * As `equalizeLightnessBy` of clahe.ts computes it with OpenCV (Zuiderveld, Graphics Gems IV, 1994): tiles' histograms are clipped and their
 * mappings interpolated bilinearly.
 *
 * @param pixels RGB, `size`x`size`x3. Not changed.
 * @returns as `pixels`.
 */
export function equalizeLightnessPlainly(
  pixels: Uint8Array,
  size: number,
  { clipLimit, tiles }: ClaheOptions,
): Uint8Array {
  requireClaheOptions({ clipLimit, tiles }, size);
  const lab = rgbToLab(pixels);
  const lightness = new Uint8Array(size * size);
  for (let at = 0; at < lightness.length; at++) lightness[at] = lab[3 * at];
  const side = Math.ceil(size / tiles);
  const mappings = tileMappings(lightness, size, side, tiles, clipLimit);
  const place = Array.from({ length: size }, (_, at) => {
    const position = Math.fround(Math.fround(at * Math.fround(1 / side)) - 0.5);
    const lower = Math.floor(position);
    return {
      lower: Math.max(0, lower),
      upper: Math.min(tiles - 1, lower + 1),
      share: Math.fround(position - lower),
    };
  });
  for (let y = 0; y < size; y++) {
    const row = place[y];
    for (let x = 0; x < size; x++) {
      const column = place[x];
      const value = lightness[y * size + x];
      const at = (tileY: number, tileX: number): number => mappings[(tileY * tiles + tileX) * LEVELS + value];
      const above = at(row.lower, column.lower) * (1 - column.share) + at(row.lower, column.upper) * column.share;
      const below = at(row.upper, column.lower) * (1 - column.share) + at(row.upper, column.upper) * column.share;
      lab[3 * (y * size + x)] = roundHalfEven(above * (1 - row.share) + below * row.share);
    }
  }
  return labToRgb(lab);
}

/** Each tile's mapping of levels. Beyond the picture's right and bottom, where tiles do not divide it, it is mirrored. */
function tileMappings(lightness: Uint8Array, size: number, side: number, tiles: number, clipLimit: number): Uint8Array {
  const mirrored = Int32Array.from({ length: side * tiles }, (_, at) =>
    at < size ? at : Math.max(0, 2 * size - 2 - at),
  );
  const limit = Math.max(1, Math.trunc((clipLimit * side * side) / LEVELS));
  const scale = Math.fround((LEVELS - 1) / (side * side));
  const mappings = new Uint8Array(tiles * tiles * LEVELS);
  const histogram = new Int32Array(LEVELS);
  for (let tile = 0; tile < tiles * tiles; tile++) {
    histogram.fill(0);
    const top = Math.floor(tile / tiles) * side;
    const left = (tile % tiles) * side;
    for (let y = top; y < top + side; y++) {
      const row = mirrored[y] * size;
      for (let x = left; x < left + side; x++) histogram[lightness[row + mirrored[x]]]++;
    }
    clip(histogram, limit);
    let sum = 0;
    for (let level = 0; level < LEVELS; level++) {
      sum += histogram[level];
      mappings[tile * LEVELS + level] = Math.min(255, roundHalfEven(Math.fround(sum * scale)));
    }
  }
  return mappings;
}

/** Cuts every bin at `limit` and spreads what was cut over all of them. */
function clip(histogram: Int32Array, limit: number): void {
  let cut = 0;
  for (let level = 0; level < LEVELS; level++) {
    cut += Math.max(0, histogram[level] - limit);
    histogram[level] = Math.min(histogram[level], limit);
  }
  const each = Math.trunc(cut / LEVELS);
  let rest = cut - each * LEVELS;
  for (let level = 0; level < LEVELS; level++) histogram[level] += each;
  const step = rest > 0 ? Math.max(1, Math.trunc(LEVELS / rest)) : LEVELS;
  for (let level = 0; level < LEVELS && rest > 0; level += step, rest--) histogram[level]++;
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return value % 1 === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
