/** Decodes DICOM photographs in the browser, by the same code and the same libraries as in Node. */
import dicomParser from 'dicom-parser';
import * as losslessJpeg from 'jpeg-lossless-decoder-js';
import { GmtlError } from '../../src/engine/errors.ts';
import { type DecodedImage, toRgb } from '../../src/retina/data/pictures/decoded.ts';
import { type DicomFile, openDicomFile } from '../../src/retina/data/pictures/dicomFile.ts';
import type { RgbImage } from '../../src/retina/domain.ts';

const CODE = 'data/image-unreadable';

/**
 * The first frame of a DICOM file as 8-bit RGB, with what the file says of it.
 *
 * @param decodeJpeg decodes a frame that is a JPEG. @throws GmtlError `data/image-unreadable` as `openDicomFile`.
 */
export async function decodeDicom(
  bytes: Uint8Array,
  name: string,
  decodeJpeg: (jpeg: Uint8Array) => Promise<RgbImage>,
): Promise<DecodedImage> {
  const file = await openFile(bytes, name);
  const { facts, width, height } = file;
  const frame = file.frame();
  const data = frame.kind === 'pixels' ? toRgb(frame.data, frame.channels) : await jpegPixels(frame, name, decodeJpeg);
  const notes = facts.frames > 1 ? [`the file holds ${facts.frames} frames: the first was taken`] : [];
  return { width, height, data, orientation: 1, dicom: facts, notes };
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
          return joined(whole.subarray(0, position), unpacked);
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
    unpacked = await inflated(packed, name);
    return open();
  }
}

async function inflated(packed: Uint8Array, name: string): Promise<Uint8Array> {
  try {
    const stream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream();
    return new Uint8Array(await new Response(stream.pipeThrough(new DecompressionStream('deflate-raw'))).arrayBuffer());
  } catch (cause) {
    throw new GmtlError(CODE, `Cannot read the DICOM file ${name}: its deflated part is truncated or damaged.`, {
      cause,
    });
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}

async function jpegPixels(
  { jpeg, inverted }: { readonly jpeg: Uint8Array; readonly inverted: boolean },
  name: string,
  decodeJpeg: (jpeg: Uint8Array) => Promise<RgbImage>,
): Promise<Uint8Array> {
  try {
    const { data } = await decodeJpeg(jpeg);
    return inverted ? Uint8Array.from(data, (value) => 255 - value) : Uint8Array.from(data);
  } catch (cause) {
    throw new GmtlError(CODE, `Cannot read the DICOM file ${name}: its JPEG is truncated or damaged.`, { cause });
  }
}
