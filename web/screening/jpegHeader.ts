/** What a browser's decoder must not decide by itself: a JPEG's orientation and color space, a PNG's kind. Reads and edits bytes only. */

/** What is known of a picture file before it is decoded. */
export interface PictureHeader {
  readonly kind: 'jpeg' | 'png' | 'other';
  /** Color components of a JPEG; 0 of others. */
  readonly components: number;
  /** Whether an ICC profile says what the numbers mean. */
  readonly hasProfile: boolean;
  /** The bytes to decode: a JPEG without its Exif data, so that no orientation is applied (masks have none). */
  readonly bytes: Uint8Array;
}

const startsWith = (bytes: Uint8Array, at: number, text: string): boolean =>
  [...text].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));

/** Reads a picture's header. Damage is left to the decoder. */
export function readHeader(bytes: Uint8Array): PictureHeader {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(bytes);
  if (startsWith(bytes, 1, 'PNG\r\n')) return { kind: 'png', components: 0, hasProfile: pngHasProfile(bytes), bytes };
  return { kind: 'other', components: 0, hasProfile: false, bytes };
}

/** Walks the segments up to the pixel data (ITU-T T.81, B.1). */
function readJpeg(bytes: Uint8Array): PictureHeader {
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let components = 0;
  let hasProfile = false;
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xda) break;
    const end = at + 2 + (bytes[at + 2] << 8) + bytes[at + 3];
    // Frame headers are C0 … CF but for tables (C4), extensions (C8) and arithmetic conditioning (CC).
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) components = bytes[at + 9];
    hasProfile ||= marker === 0xe2 && startsWith(bytes, at + 4, 'ICC_PROFILE');
    const isExif = marker === 0xe1 && startsWith(bytes, at + 4, 'Exif');
    if (!isExif) kept.push(bytes.subarray(at, end));
    at = end;
  }
  kept.push(bytes.subarray(at));
  const plain = new Uint8Array(kept.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of kept) {
    plain.set(part, to);
    to += part.length;
  }
  return { kind: 'jpeg', components, hasProfile, bytes: plain };
}

function pngHasProfile(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (startsWith(bytes, at + 4, 'iCCP')) return true;
    if (startsWith(bytes, at + 4, 'IDAT')) return false;
  }
  return false;
}
