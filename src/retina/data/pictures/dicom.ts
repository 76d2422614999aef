/** DICOM files in Node: each frame as a file that sharp opens. */
import { inflateRawSync } from 'node:zlib';
import { type ErrorCode, isOutOfMemory } from '../../../engine/errors.ts';
import { requireOptional, sharp } from '../../../engine/node/optional.ts';
import type { DicomFacts } from './dicomFacts.ts';
import { deflatedFault, type DicomFrame, type DicomTools, mostInflated, openDicomFile } from './dicomFile.ts';
import type { LosslessJpeg } from './dicomJpeg.ts';

/** A parsed file. */
interface OpenedDicom {
  readonly facts: DicomFacts;
  readonly width: number;
  readonly height: number;
  /** A frame as JPEG, as it lies in the file, or else as uncompressed TIFF. */
  readonly picture: () => Promise<Buffer>;
}

/** @param frame the frame to read, from 1. @throws GmtlError of `code`, naming the file and what is not read in it. */
export function openDicom(bytes: Buffer, name: string, code: ErrorCode, frame = 1): OpenedDicom {
  const tools: DicomTools = {
    parser: requireOptional<DicomTools['parser']>('dicom-parser'),
    losslessJpeg: () => requireOptional<LosslessJpeg>('jpeg-lossless-decoder-js'),
    inflate: (packed, position) => inflated(packed, position, name, code),
  };
  const { facts, width, height, frame: read } = openDicomFile(tools, bytes, name, code, frame);
  return { facts, width, height, picture: async () => fileOf(read(), width, height) };
}

/** A deflated data set after its plain header. */
function inflated(packed: Uint8Array, position: number, name: string, code: ErrorCode): Uint8Array {
  const most = mostInflated(packed.length);
  try {
    const rest = inflateRawSync(packed.subarray(position), { maxOutputLength: most });
    return Buffer.concat([packed.subarray(0, position), rest]);
  } catch (cause) {
    const isBomb = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    if (!isBomb && isOutOfMemory(cause)) throw cause;
    throw deflatedFault(name, code, isBomb ? most : null, cause);
  }
}

async function fileOf(frame: DicomFrame, width: number, height: number): Promise<Buffer> {
  if (frame.kind === 'jpeg') {
    const jpeg = Buffer.from(frame.jpeg);
    return frame.inverted ? sharp(jpeg, { failOn: 'error' }).negate().png().toBuffer() : jpeg;
  }
  const raw = { width, height, channels: frame.channels };
  return sharp(frame.data, { raw, limitInputPixels: false }).tiff({ compression: 'none' }).toBuffer();
}
