/** Reads DICOM files of ophthalmic photography, in Node and in browsers: what they say of the picture, and each frame's pixels or its JPEG. */
import type DicomParser from 'dicom-parser';
import { type ErrorCode, GmtlError, isOutOfMemory } from '../../../engine/errors.ts';
import type { DicomFacts } from './dicomFacts.ts';
import { encapsulated, rawFrame } from './dicomFrames.ts';
import { hideExif, type LosslessJpeg, requireJpegLike, unpackLossless } from './dicomJpeg.ts';
import { type FrameLayout, interleaved, unpackRle } from './dicomPixels.ts';

/** A frame as it is to be shown, or the JPEG that holds it. */
export type DicomFrame =
  | { readonly kind: 'pixels'; readonly data: Uint8Array; readonly channels: 1 | 3 }
  /** `inverted`: its 0 is white. */
  | { readonly kind: 'jpeg'; readonly jpeg: Uint8Array; readonly inverted: boolean };

/** A parsed file. */
export interface DicomFile {
  readonly facts: DicomFacts;
  readonly width: number;
  readonly height: number;
  readonly frame: () => DicomFrame;
}

/** What is loaded in one way in Node and in another in browsers. */
export interface DicomTools {
  readonly parser: typeof DicomParser;
  readonly losslessJpeg: () => LosslessJpeg;
  /** Inflates the data set that lies behind the header of a deflated file; gives both. */
  readonly inflate: (packed: Uint8Array, position: number) => Uint8Array;
}

/** How transfer syntaxes are decoded (DICOM PS3.5, section 10 and annex A). */
const SYNTAXES = new Map<string, 'raw' | 'rle' | 'jpeg' | 'lossless'>(
  Object.entries({
    '1.2.840.10008.1.2': 'raw',
    '1.2.840.10008.1.2.1': 'raw',
    '1.2.840.10008.1.2.1.99': 'raw',
    '1.2.840.10008.1.2.2': 'raw',
    '1.2.840.10008.1.2.5': 'rle',
    '1.2.840.10008.1.2.4.50': 'jpeg',
    '1.2.840.10008.1.2.4.51': 'jpeg',
    // Progressive JPEG, which DICOM has retired and img2dcm still writes.
    '1.2.840.10008.1.2.4.53': 'jpeg',
    '1.2.840.10008.1.2.4.55': 'jpeg',
    '1.2.840.10008.1.2.4.57': 'lossless',
    '1.2.840.10008.1.2.4.70': 'lossless',
  } as const),
);

const UNREAD = new Map(
  Object.entries({
    '1.2.840.10008.1.2.4.80': 'JPEG-LS, lossless (convert it: dcmdjpls IN OUT)',
    '1.2.840.10008.1.2.4.81': 'JPEG-LS (convert it: dcmdjpls IN OUT)',
    '1.2.840.10008.1.2.4.90': 'JPEG 2000, lossless (convert it: gdcmconv --raw IN OUT)',
    '1.2.840.10008.1.2.4.91': 'JPEG 2000 (convert it: gdcmconv --raw IN OUT)',
  }),
);

/**
 * Bytes that the deflated part of a file may inflate to: 1 GiB, and a hundredfold of the file and 16 MiB. Photographs shrink to a tenth, bombs to
 * a thousandth.
 */
export const mostInflated = (fileBytes: number): number => Math.min(2 ** 30, 100 * fileBytes + 2 ** 24);

/** Why a deflated part is refused. @param most the bytes that it was to inflate to at most and goes beyond; null: it cannot be inflated. */
export function deflatedFault(name: string, code: ErrorCode, most: number | null, cause?: unknown): GmtlError {
  const why =
    most === null ? 'is truncated or damaged' : `unpacks to more than ${most} bytes, a hundredfold: no photograph does`;
  return new GmtlError(code, `Cannot read the DICOM file ${name}: its deflated part ${why}.`, { cause });
}

/** Bytes from which {@link isDicom} tells. */
export const DICOM_MARK_END = 132;

/** Whether a file's first bytes are those of a DICOM file (PS3.10, section 7.1). */
export const isDicom = (bytes: Uint8Array): boolean =>
  bytes.length >= DICOM_MARK_END && String.fromCharCode(...bytes.subarray(128, DICOM_MARK_END)) === 'DICM';

/** The tags that are read, as dicom-parser writes them. */
const TAG = {
  syntax: 'x00020010',
  charset: 'x00080005',
  patientId: 'x00100020',
  studyUid: 'x0020000d',
  laterality: 'x00200060',
  imageLaterality: 'x00200062',
  samples: 'x00280002',
  photometric: 'x00280004',
  planar: 'x00280006',
  frames: 'x00280008',
  rows: 'x00280010',
  columns: 'x00280011',
  spacing: 'x00280030',
  allocated: 'x00280100',
  stored: 'x00280101',
  highBit: 'x00280102',
  signed: 'x00280103',
  sharedGroups: 'x52009229',
  pixelMeasures: 'x00289110',
  pixels: 'x7fe00010',
} as const;

/**
 * @param frame the frame to read, from 1.
 * @param code of the errors. @throws GmtlError of that code, naming the file and what is not read in it.
 */
export function openDicomFile(
  tools: DicomTools,
  bytes: Uint8Array,
  name: string,
  code: ErrorCode,
  frame = 1,
): DicomFile {
  const fail: Fail = (why, cause) => new GmtlError(code, `Cannot read the DICOM file ${name}: ${why}.`, { cause });
  try {
    return describe(tools, tools.parser.parseDicom(bytes, { inflater: tools.inflate }), fail, frame);
  } catch (cause) {
    if (isOutOfMemory(cause) || cause instanceof GmtlError) throw cause;
    throw fail(`${structureFault(cause)}; it is truncated or damaged, or not a DICOM file`, cause);
  }
}

type Fail = (why: string, cause?: unknown) => GmtlError;

function describe(
  { parser, losslessJpeg }: DicomTools,
  data: DicomParser.DataSet,
  fail: Fail,
  frame: number,
): DicomFile {
  // It looks four bytes ahead for sequences where kinds are implicit: that it finds the end there says nothing.
  const warning = data.warnings.find((one) => !one.includes('peeking to determine VR'));
  if (warning !== undefined) throw fail(`${oneLine(warning)}; it is truncated or damaged`);
  const syntax = data.string(TAG.syntax) ?? '';
  const way = SYNTAXES.get(syntax);
  if (way === undefined) {
    const stored = UNREAD.get(syntax) ?? (syntax === '' ? 'the file does not say' : `"${oneLine(syntax)}"`);
    throw fail(`its pixels are stored as ${stored}; read are uncompressed, RLE and JPEG`);
  }
  const [width, height] = [data.uint16(TAG.columns) ?? 0, data.uint16(TAG.rows) ?? 0];
  const pixels = data.elements[TAG.pixels];
  if (width === 0 || height === 0 || pixels === undefined) {
    throw fail(`it holds no picture (${width}x${height}${pixels === undefined ? ', no pixel data' : ''})`);
  }
  const samples = data.uint16(TAG.samples) ?? 1;
  const photometric = (data.string(TAG.photometric) ?? '').trim();
  const [allocated, stored] = [data.uint16(TAG.allocated) ?? 0, data.uint16(TAG.stored) ?? 0];
  if (allocated !== 8 || stored !== 8) throw fail(`it has ${stored} bits in ${allocated} per sample; read are 8`);
  const highBit = data.uint16(TAG.highBit) ?? 7;
  if (highBit !== 7) throw fail(`the highest of its 8 bits is number ${highBit}; read is 7`);
  if (data.uint16(TAG.signed) === 1) throw fail('its samples have a sign; read are those from 0 to 255');
  if (PHOTOMETRICS.get(photometric) !== samples) {
    throw fail(
      `its colors are ${oneLine(photometric) || 'not stated'} with ${samples} samples per pixel; read are ${[...PHOTOMETRICS.keys()].join(', ')}`,
    );
  }
  const stated = data.string(TAG.frames) ?? '1';
  const frames = /^\+?\d{1,10}$/.test(stated) ? Number(stated) : 0;
  if (frames < 1) throw fail(`it states "${oneLine(stated)}" frames`);
  if (way === 'raw' ? pixels.encapsulatedPixelData : !pixels.encapsulatedPixelData) {
    throw fail(
      `it states ${way === 'raw' ? 'no' : 'a'} compression, and its pixels are ${way === 'raw' ? '' : 'not '}compressed`,
    );
  }
  const needed = way === 'raw' ? width * height * samples * frames : frames;
  const held =
    way === 'raw'
      ? Math.min(pixels.length, data.byteArray.length - pixels.dataOffset)
      : (pixels.fragments?.length ?? 0);
  if (held < needed) {
    throw fail(
      `its pixel data ends after ${held} ${way === 'raw' ? 'bytes' : 'pieces'}; ${frames} frames of ${width}x${height} need ${needed}`,
    );
  }
  // An even length takes one byte more at most.
  if (way === 'raw' ? held > needed + 1 : way === 'rle' && held !== needed) {
    const unit = way === 'raw' ? 'bytes' : 'pieces';
    throw fail(`its pixel data has ${held} ${unit}; ${frames} frames of ${width}x${height} have ${needed}`);
  }
  if (!Number.isInteger(frame) || frame < 1 || frame > frames) {
    throw fail(`it has ${frames} frame${frames === 1 ? '' : 's'}, none numbered ${frame}`);
  }
  const planar = data.uint16(TAG.planar) ?? 0;
  if (planar > 1) throw fail(`its planar configuration is ${planar}; read are 0 and 1`);
  const layout: FrameLayout = { width, height, samples, planar: planar === 1, photometric };
  return {
    width,
    height,
    facts: {
      frames,
      frame,
      laterality: lateralityOf(data),
      pixelSpacing: spacingOf(data),
      patientId: text(data, TAG.patientId),
      studyUid: text(data, TAG.studyUid),
    },
    frame: () => {
      try {
        const encoded = way === 'raw' ? null : encapsulated(parser, data, pixels, frame, frames);
        // Before it is unpacked: a JPEG of a few bytes can state any size.
        if (encoded !== null && (way === 'jpeg' || way === 'lossless')) requireJpegLike(encoded, way, layout);
        if (encoded !== null && way === 'jpeg') {
          hideExif(encoded);
          // Colors as the JPEG's own marks say: files that state RGB hold YCbCr as often as not.
          return { kind: 'jpeg', jpeg: encoded, inverted: photometric === 'MONOCHROME1' };
        }
        const data8 =
          encoded === null
            ? interleaved(rawFrame(data, pixels, layout, frame), layout)
            : way === 'rle'
              ? interleaved(unpackRle(encoded, layout), { ...layout, planar: true })
              : unpackLossless(losslessJpeg(), encoded, layout);
        return { kind: 'pixels', data: data8, channels: samples as 1 | 3 };
      } catch (cause) {
        if (cause instanceof GmtlError || isOutOfMemory(cause)) throw cause;
        const why = cause instanceof Error ? cause.message : String(cause);
        throw fail(`frame ${frame} of ${frames}: ${plainly(why)}`, cause);
      }
    },
  };
}

/** Samples per pixel of the color models that are read. */
const PHOTOMETRICS = new Map(
  Object.entries({
    MONOCHROME1: 1,
    MONOCHROME2: 1,
    RGB: 3,
    YBR_FULL: 3,
    YBR_FULL_422: 3,
  }),
);

/** A file's text in one printable line of modest length. */
const oneLine = (value: string): string =>
  value
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 120);

/** What dicom-parser found wrong: it throws strings, errors, and objects that hold either. */
function structureFault(cause: unknown): string {
  const thrown = (cause as { exception?: unknown } | null)?.exception ?? cause;
  if (thrown instanceof Error && /call stack|recursion/.test(thrown.message))
    return 'its sequences are nested too deeply';
  const why =
    thrown instanceof Error ? thrown.message : typeof thrown === 'string' ? thrown : 'its structure is broken';
  return /overrun|past end|maxP/.test(why) ? 'a length in it points past its end' : plainly(why);
}

/** A fault's words without the name of the library's function that found it. */
const plainly = (why: string): string => oneLine(why.replace(/^dicomParser[\w.:]*( -|:) /, ''));

function text(data: DicomParser.DataSet, tag: string): string | null {
  const element = data.elements[tag];
  if (element === undefined || element.length === 0) return null;
  const charset = data.string(TAG.charset) ?? '';
  const bytes = data.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  const decoded = new TextDecoder(charset.includes('192') ? 'utf-8' : 'latin1').decode(bytes);
  return (
    decoded
      .replaceAll(/\p{Cc}/gu, '')
      .trim()
      .slice(0, 64) || null
  );
}

function lateralityOf(data: DicomParser.DataSet): DicomFacts['laterality'] {
  const value = (data.string(TAG.imageLaterality) ?? data.string(TAG.laterality) ?? '').trim().toUpperCase();
  return ({ L: 'left', R: 'right', B: 'both' } as const)[value] ?? null;
}

function spacingOf(data: DicomParser.DataSet): readonly [number, number] | null {
  const measures = data.elements[TAG.sharedGroups]?.items?.[0]?.dataSet?.elements[TAG.pixelMeasures];
  for (const one of [data, measures?.items?.[0]?.dataSet]) {
    const [rows, columns] = (one?.string(TAG.spacing) ?? '').split('\\').map(Number);
    if (rows > 0 && columns > 0 && Number.isFinite(rows) && Number.isFinite(columns)) return [rows, columns];
  }
  return null;
}
