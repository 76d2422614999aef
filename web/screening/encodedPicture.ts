/** What a browser's decoder must not decide by itself: orientation, color space, color profile. Reads and edits bytes only. */

/** What is known of a picture file before it is decoded. */
export interface EncodedPicture {
  readonly kind: 'jpeg' | 'png' | 'other';
  /** Color components of a JPEG; 0 of others. */
  readonly components: number;
  /** Whether an ICC profile says what the numbers mean. */
  readonly hasProfile: boolean;
  /** EXIF orientation, 1 … 8; 1 where none is stated. */
  readonly orientation: number;
  /** The bytes to decode, without Exif data: the orientation is left to `turned`, as browsers differ in it. */
  readonly bytes: Uint8Array;
}

const startsWith = (bytes: Uint8Array, at: number, text: string): boolean =>
  [...text].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));

/** Reads a picture's header. Damage is left to the decoder. */
export function readEncoded(bytes: Uint8Array): EncodedPicture {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(bytes);
  if (startsWith(bytes, 1, 'PNG\r\n')) return readPng(bytes);
  return { kind: 'other', components: 0, hasProfile: false, orientation: 1, bytes };
}

/** Walks the segments up to the pixel data (ITU-T T.81, B.1). */
function readJpeg(bytes: Uint8Array): EncodedPicture {
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let components = 0;
  let hasProfile = false;
  let orientation = 1;
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xda) break;
    const end = at + 2 + (bytes[at + 2] << 8) + bytes[at + 3];
    // Frame headers are C0 … CF but for tables (C4), extensions (C8) and arithmetic conditioning (CC).
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) components = bytes[at + 9];
    hasProfile ||= marker === 0xe2 && startsWith(bytes, at + 4, 'ICC_PROFILE');
    const isExif = marker === 0xe1 && startsWith(bytes, at + 4, 'Exif');
    if (isExif) orientation = orientationOf(bytes.subarray(at + 10, end));
    else kept.push(bytes.subarray(at, end));
    at = end;
  }
  kept.push(bytes.subarray(at));
  return { kind: 'jpeg', components, hasProfile, orientation, bytes: joined(kept) };
}

/** Walks the chunks up to the end (PNG 3rd edition, 5.3). */
function readPng(bytes: Uint8Array): EncodedPicture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept: Uint8Array[] = [bytes.subarray(0, 8)];
  let hasProfile = false;
  let orientation = 1;
  let at = 8;
  while (at + 12 <= bytes.length) {
    const end = at + 12 + view.getUint32(at);
    hasProfile ||= startsWith(bytes, at + 4, 'iCCP');
    if (startsWith(bytes, at + 4, 'eXIf')) orientation = orientationOf(bytes.subarray(at + 8, end - 4));
    else kept.push(bytes.subarray(at, end));
    at = end;
  }
  kept.push(bytes.subarray(at));
  return { kind: 'png', components: 0, hasProfile, orientation, bytes: joined(kept) };
}

/** Tag 0x0112 of the first directory of Exif's TIFF structure; 1 where there is none, or the data is cut. */
function orientationOf(exif: Uint8Array): number {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  if (exif.length < 8) return 1;
  const little = view.getUint16(0) === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > exif.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let entry = 0; entry < entries; entry++) {
    const at = directory + 2 + 12 * entry;
    if (at + 12 > exif.length) return 1;
    if (view.getUint16(at, little) === 0x0112) return view.getUint16(at + 8, little);
  }
  return 1;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    whole.set(part, to);
    to += part.length;
  }
  return whole;
}
