/** The settings of CLAHE. */
import { GmtlError } from '../../../engine/errors.ts';
import type { ClaheOptions } from './sample.ts';

/** OpenCV's grid, and the clip limit that fundus papers use (2 … 4). */
export const DEFAULT_CLAHE: ClaheOptions = { clipLimit: 2, tiles: 8 };

/** @throws GmtlError `data/clahe-options` for numbers out of range. */
export function requireClaheOptions({ clipLimit, tiles }: ClaheOptions, size: number): void {
  if (!(clipLimit > 0) || !Number.isInteger(tiles) || tiles < 1 || tiles > size) {
    throw new GmtlError(
      'data/clahe-options',
      `CLAHE with clipLimit ${clipLimit} and ${tiles} tiles per side: give a limit above 0 and 1 … ${size} whole tiles ` +
        `(the picture is ${size} pixels wide).`,
    );
  }
}
