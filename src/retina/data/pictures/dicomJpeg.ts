/** JPEGs within DICOM files: what is asked of them before they are decoded, and the lossless kind. */
import { type FrameLayout, interleaved } from './dicomPixels.ts';

/** The kept library of lossless JPEG. */
export interface LosslessJpeg {
  readonly Decoder: new () => { decompress(data: ArrayBufferLike, offset: number, length: number): ArrayBuffer };
}

/** "Exif", the first bytes of the segment of that kind. */
const EXIF = [0x45, 0x78, 0x69, 0x66];

/** The segments of a JPEG up to its pixels (ITU-T T.81, B.1): the marker of each, and where it is. */
function* jpegSegments(jpeg: Uint8Array): Generator<{ readonly marker: number; readonly at: number }> {
  let at = 2;
  while (jpeg[0] === 0xff && jpeg[1] === 0xd8 && at + 9 <= jpeg.length && jpeg[at] === 0xff) {
    const marker = jpeg[at + 1];
    if (marker === 0xda) return;
    yield { marker, at };
    // Fill bytes and marks without a segment.
    at +=
      marker === 0xff
        ? 1
        : marker === 0x01 || (marker >= 0xd0 && marker <= 0xd9)
          ? 2
          : 2 + (jpeg[at + 2] << 8) + jpeg[at + 3];
  }
}

/** Coding processes of sequential and progressive JPEG, and of lossless JPEG, by their frame header's mark (ITU-T T.81, table B.1). */
const PROCESSES = { jpeg: [0xc0, 0xc1, 0xc2], lossless: [0xc3] } as const;

/**
 * Throws unless a JPEG's frame header (ITU-T T.81, B.2.2) has the size and the way of coding that the file states, and the samples of a photograph.
 * A decoder of the other way may give a picture of noise and no error.
 */
export function requireJpegLike(jpeg: Uint8Array, way: 'jpeg' | 'lossless', { width, height }: FrameLayout): void {
  let hasSize = false;
  for (const { marker, at } of jpegSegments(jpeg)) {
    if (marker < 0xc0 || marker > 0xcf || [0xc4, 0xc8, 0xcc].includes(marker)) continue;
    if (!(PROCESSES[way] as readonly number[]).includes(marker)) {
      throw new Error(`it states ${way === 'jpeg' ? 'a lossy' : 'a lossless'} JPEG and holds one of another kind`);
    }
    if (jpeg[at + 4] !== 8) throw new Error(`its JPEG has ${jpeg[at + 4]} bits per sample; read are 8`);
    const [high, wide] = [(jpeg[at + 5] << 8) + jpeg[at + 6], (jpeg[at + 7] << 8) + jpeg[at + 8]];
    if (high !== height || wide !== width) {
      throw new Error(`it states ${width}x${height} pixels, its JPEG has ${wide}x${high}`);
    }
    const components = jpeg[at + 9];
    if (components !== 1 && components !== 3) {
      throw new Error(`its JPEG has ${components} color components (4: CMYK, for printing); read are 1 and 3`);
    }
    hasSize = true;
  }
  if (!hasSize) throw new Error('its JPEG has no frame header');
}

/**
 * Makes the Exif data of a JPEG application data that no decoder reads (APP15 in place of APP1), in its own bytes: dcmtk does not turn
 * pictures by it either, and rows, columns and what refers to the frame are those of the picture as stored.
 */
export function hideExif(jpeg: Uint8Array): void {
  for (const { marker, at } of jpegSegments(jpeg)) {
    if (marker === 0xe1 && EXIF.every((byte, index) => jpeg[at + 4 + index] === byte)) jpeg[at + 1] = 0xef;
  }
}

export function unpackLossless({ Decoder }: LosslessJpeg, encoded: Uint8Array, layout: FrameLayout): Uint8Array {
  const own = new Uint8Array(encoded);
  const size = layout.width * layout.height * layout.samples;
  // Every sample takes a bit or more: what cannot fill the picture is refused before it is allocated.
  if (8 * own.length < size) throw new Error('its JPEG is cut short');
  const pixels = new Uint8Array(new Decoder().decompress(own.buffer, 0, own.length));
  if (pixels.length !== size) throw new Error(`its JPEG unpacks to ${pixels.length} bytes, ${size} are needed`);
  return interleaved(pixels, { ...layout, planar: false });
}
