/** Decodes DICOM photographs in the browser, by the same code and the same libraries as in Node. */
import dicomParser from 'dicom-parser';
import * as losslessJpeg from 'jpeg-lossless-decoder-js';
import { GmtlError, isOutOfMemory } from '../../src/engine/errors.ts';
import { type DecodedImage, toRgb } from '../../src/retina/data/pictures/decoded.ts';
import {
  deflatedFault,
  type DicomFile,
  mostInflated,
  openDicomFile,
} from '../../src/retina/data/pictures/dicomFile.ts';

const CODE = 'data/image-unreadable';

/**
 * The first frame of a DICOM file as 8-bit RGB, with what the file says of it.
 *
 * @param decodeJpeg decodes a frame that is a JPEG. @throws GmtlError `data/image-unreadable` as `openDicomFile`.
 */
export async function decodeDicom(
  bytes: Uint8Array,
  name: string,
  decodeJpeg: (jpeg: Uint8Array) => Promise<DecodedImage>,
): Promise<DecodedImage> {
  const file = await openFile(bytes, name);
  const { facts } = file;
  const frame = file.frame();
  const image =
    frame.kind === 'pixels'
      ? { width: file.width, height: file.height, data: toRgb(frame.data, frame.channels), orientation: 1 }
      : await jpegImage(frame, name, decodeJpeg);
  const notes = facts.frames > 1 ? [`the file holds ${facts.frames} frames: the first was taken`] : [];
  return { ...image, dicom: facts, notes };
}

/** Browsers inflate only in the background: what a deflated file holds is asked for, inflated, and given at the second try. */
async function openFile(bytes: Uint8Array, name: string): Promise<DicomFile> {
  let packed: Uint8Array | null = null;
  let unpacked: Uint8Array | null = null;
  const open = (): DicomFile =>
    openDicomFile(
      {
        parser: dicomParser,
        losslessJpeg: () => losslessJpeg,
        inflate: (whole, position) => {
          if (unpacked === null) {
            packed = whole.subarray(position);
            throw new Error('it is not inflated yet');
          }
          return joined([whole.subarray(0, position), unpacked]);
        },
      },
      bytes,
      name,
      CODE,
    );
  try {
    return open();
  } catch (cause) {
    if (packed === null) throw cause;
    unpacked = await inflated(packed, mostInflated(bytes.length), name);
    return open();
  }
}

/** @param most bytes that it may inflate to: memory ends where nobody counts. */
async function inflated(packed: Uint8Array, most: number, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    const stream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream();
    const reader = stream.pipeThrough(new DecompressionStream('deflate-raw')).getReader();
    for (let part = await reader.read(); !part.done && size <= most; part = await reader.read()) {
      parts.push(part.value);
      size += part.value.length;
    }
    if (size > most) await reader.cancel();
  } catch (cause) {
    if (isOutOfMemory(cause)) throw cause;
    throw deflatedFault(name, CODE, null, cause);
  }
  if (size > most) throw deflatedFault(name, CODE, most);
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function jpegImage(
  { jpeg, inverted }: { readonly jpeg: Uint8Array; readonly inverted: boolean },
  name: string,
  decodeJpeg: (jpeg: Uint8Array) => Promise<DecodedImage>,
): Promise<DecodedImage> {
  try {
    const image = await decodeJpeg(jpeg);
    return inverted ? { ...image, data: Uint8Array.from(image.data, (value) => 255 - value) } : image;
  } catch (cause) {
    if (isOutOfMemory(cause)) throw cause;
    throw new GmtlError(CODE, `Cannot read the DICOM file ${name}: its JPEG is truncated or damaged.`, { cause });
  }
}
