/** What resizing is told, in functions and layers. */
import { GmtlError } from '../errors.ts';
import { checkAttributes } from '../arguments.ts';

/** Options of `functional.interpolate`. */
export interface InterpolateOptions {
  /** [height, width] of the result; or `scaleFactor`. */
  readonly size?: readonly [number, number];
  /** The result's extents are floor(extent * scaleFactor). */
  readonly scaleFactor?: number;
  /** Default `nearest`. */
  readonly mode?: 'nearest' | 'bilinear';
  readonly alignCorners?: boolean;
}

/** Throws `ops/attribute` for options that are not those of `functional.interpolate`. */
export function checkInterpolation(what: string, options: InterpolateOptions): void {
  const kinds = {
    size: 'pair?',
    scaleFactor: 'number?',
    mode: ['nearest', 'bilinear'],
    alignCorners: 'flag?',
  } as const;
  checkAttributes(what, kinds, options);
  if ((options.size === undefined) === (options.scaleFactor === undefined)) {
    throw new GmtlError('ops/attribute', `${what}: give either size or scaleFactor`);
  }
}
