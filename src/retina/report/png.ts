/** Masks as PNG files. */
import { PNG } from 'pngjs';
import { GmtlError } from '../../engine/errors.ts';

/**
 * A mask as an 8-bit gray PNG: 255 where it is set, 0 elsewhere, and not scaled.
 *
 * @param mask one byte per pixel, row by row from the top, non-zero inside.
 * @throws GmtlError `report/size` when its length is not width × height.
 */
export function encodeMaskPng(mask: Uint8Array, width: number, height: number): Buffer {
  if (mask.length !== width * height) {
    throw new GmtlError('report/size', `Mask: it has ${mask.length} pixels, not ${width} × ${height}.`);
  }
  const png = new PNG({ width, height });
  png.data = Buffer.from(mask.map((value) => (value === 0 ? 0 : 255)));
  // Color type 0 is gray. Rows are stored unfiltered: runs of two values compress no better with a filter (PNG, section 12.7).
  return PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false, filterType: 0, deflateLevel: 6 });
}
