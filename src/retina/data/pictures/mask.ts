/** Decodes mask files. */
import { GmtlError } from '../../../engine/errors.ts';
import type { BinaryMask } from './geometry.ts';
import { applyMaskRule, type MaskPixels } from './maskRule.ts';
import { MASK, type OpenedPicture, openPicture, pictureError } from './openPicture.ts';
import { paletteAsGray } from './palette.ts';
import type { Structure } from '../../domain.ts';

export interface MaskOptions {
  /** Which structure it is: a mask that covers more of the frame than it can is refused. */
  readonly structure?: Structure;
  /** Width and height the image has; a mask of another size is refused. */
  readonly expected?: { readonly width: number; readonly height: number };
}

/**
 * The largest believable share of the frame for one lesion class. IDRiD's fullest mask covers a few per cent; 100 % is what
 * reading the alpha channel of its one RGBA mask gives.
 */
const MAX_LESION_COVERAGE = 0.3;

/** … and for the optic disc, which fills up to a fifth of a picture taken of it alone. */
const MAX_DISC_COVERAGE = 0.5;

/**
 * Decodes a mask file: TIFF, PNG or JPEG, of any bit depth to 16, turned as its EXIF orientation says.
 *
 * In a palette image every pixel whose index is above 0 is marked, whatever its color; in others what {@link applyMaskRule} says.
 *
 * @param bytes the file's content if it was read already.
 * @throws GmtlError `data/mask-unreadable`, `data/mask-size`, `data/mask-tones`, `data/mask-coverage`, each naming the file.
 */
export async function decodeMask(path: string, options: MaskOptions = {}, bytes?: Buffer): Promise<BinaryMask> {
  const picture = await openPicture(path, MASK, bytes);
  const pixels = await decodePixels(picture).catch((cause: unknown) => {
    throw pictureError(path, MASK, cause);
  });
  const { width, height } = picture;
  const expected = options.expected;
  if (expected !== undefined && (width !== expected.width || height !== expected.height)) {
    throw new GmtlError(
      'data/mask-size',
      `The mask ${path} is ${width}x${height}, its image ${expected.width}x${expected.height}. ` +
        `${turned(picture, expected)}Resize neither alone: take the image and the mask from the same release of the data set.`,
    );
  }
  const data = applyMaskRule(pixels);
  if (typeof data === 'string') {
    throw new GmtlError(
      'data/mask-tones',
      `The mask ${path} is neither black and white nor up to 16 labels: ${data}. Save it with the marked pixels white and all others black.`,
    );
  }
  let foreground = 0;
  for (let index = 0; index < data.length; index++) foreground += data[index];
  const coverage = foreground / data.length;
  const most = options.structure === 'OD' ? MAX_DISC_COVERAGE : MAX_LESION_COVERAGE;
  if (options.structure !== undefined && coverage > most) {
    throw new GmtlError(
      'data/mask-coverage',
      `The ${options.structure} mask ${path} marks ${(100 * coverage).toFixed(1)} % of the frame; no ${options.structure === 'OD' ? 'optic disc' : 'lesion'} covers more than ` +
        `${100 * most} %. It is inverted, or saved with a colored background: save it as a palette or black-and-white ` +
        'image whose background is 0.',
    );
  }
  return { width, height, data, foreground };
}

/** The file's own values: palette indices, or samples in their own depth. @throws Error in words where they are of no kind that masks have. */
async function decodePixels({ content, metadata, pipeline }: OpenedPicture): Promise<MaskPixels> {
  const { depth, space, format } = metadata;
  const lossy = format === 'jpeg' || format === 'webp';
  const indexed = paletteAsGray(content);
  if (indexed !== null) {
    const { data } = await pipeline(indexed).extractChannel(0).raw().toBuffer({ resolveWithObject: true });
    const marked = Uint8Array.from(data, (index) => (index > 0 ? 255 : 0));
    return { data: marked, channels: 1, hasAlpha: false, range: 255, lossy: false };
  }
  if (depth !== 'uchar' && depth !== 'ushort')
    throw new Error(`its samples are of type ${depth}; masks have 1 to 16 bits`);
  if (space === 'cmyk') throw new Error('its colors are inks (CMYK): save it as black and white');
  if (depth === 'uchar') {
    const { data, info } = await pipeline().raw().toBuffer({ resolveWithObject: true });
    return { data, channels: info.channels, hasAlpha: info.channels % 2 === 0, range: 255, lossy };
  }
  // Left to itself sharp works in 8 bits, where 1 and 255 of 65535 are both 0.
  const wide = pipeline().pipelineColourspace(space).toColourspace(space).raw({ depth: 'ushort' });
  const { data, info } = await wide.toBuffer({ resolveWithObject: true });
  const samples = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
  return { data: samples, channels: info.channels, hasAlpha: info.channels % 2 === 0, range: 65535, lossy };
}

/** Names the likely cause where sides are exchanged. */
function turned(mask: { width: number; height: number }, image: { width: number; height: number }): string {
  if (mask.width !== image.height || mask.height !== image.width) return '';
  return 'The sides are exchanged: pictures are turned as their EXIF orientation says, and the mask is not drawn on what that shows. ';
}
