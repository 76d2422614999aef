/** The options of resizing, in functions and layers. */
import { GmtlError } from '../errors.ts';
import { checkAttributes } from '../arguments.ts';

/** Options of `functional.interpolate`. */
export interface InterpolateOptions {
  /** [height, width] of the result; or `scaleFactor`. */
  readonly size?: readonly [number, number];
  /** The result's extents are floor(extent * scaleFactor). Pixels stand 1 / scaleFactor apart, also where something was rounded off, as in PyTorch. */
  readonly scaleFactor?: number;
  /** Default `nearest`. */
  readonly mode?: 'nearest' | 'bilinear';
  readonly alignCorners?: boolean;
  /** Whether shrinking averages over all that it covers, as torchvision resizes pictures; bilinear alone, not with `alignCorners`. Default false. */
  readonly antialias?: boolean;
}

/** Throws `ops/attribute` for options that are not those of `functional.interpolate`. */
export function checkInterpolation(what: string, options: InterpolateOptions): void {
  const kinds = {
    size: 'pair?',
    scaleFactor: 'number?',
    mode: ['nearest', 'bilinear'],
    alignCorners: 'flag?',
    antialias: 'flag?',
  } as const;
  checkAttributes(what, kinds, options);
  if ((options.size === undefined) === (options.scaleFactor === undefined)) {
    throw new GmtlError('ops/attribute', `${what}: give either size or scaleFactor`);
  }
  if (options.alignCorners && options.mode !== 'bilinear')
    throw new GmtlError('ops/attribute', `${what}: alignCorners goes with mode 'bilinear'`);
  if (options.antialias && (options.mode !== 'bilinear' || options.alignCorners))
    throw new GmtlError('ops/attribute', `${what}: antialias goes with mode 'bilinear', without alignCorners`);
}

/**
 * The weights [to, from] by which `to` numbers, `scale` apart, are means of `from`: a triangle over each, as wide as what it covers (torch's
 * _upsample_bilinear2d_aa; Pillow's BILINEAR).
 */
export function antialiasWeights(from: number, to: number, scale = from / to): Float32Array {
  const weights = new Float32Array(to * from);
  const support = Math.max(scale, 1);
  for (let i = 0; i < to; i++) {
    const center = scale * (i + 0.5);
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), from);
    const own = Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((first + k - center + 0.5) / support)),
    );
    const total = own.reduce((sum, weight) => sum + weight, 0);
    own.forEach((weight, k) => {
      weights[i * from + first + k] = weight / total;
    });
  }
  return weights;
}
