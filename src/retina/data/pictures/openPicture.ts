/** Opens picture files: what a file's header says is held against limits and known formats before anything is decoded. */
import { open, readFile, stat } from 'node:fs/promises';
import type { Metadata, Sharp } from 'sharp';
import { sharp } from '../../../engine/node/optional.ts';
import { type ErrorCode, GmtlError, isOutOfMemory } from '../../../engine/errors.ts';
import { openDicom } from './dicom.ts';
import { DICOM_MARK_END, isDicom } from './dicomFile.ts';
import type { DicomFacts } from './dicomFacts.ts';
import { errorCode } from '../../../engine/node/atomic.ts';
import { isTiff, isTruncatedTiff, unconvertedColors } from './tiff.ts';

/**
 * A file beyond either is refused: 130 kB of PNG can unpack to 38,000 x 38,000 pixels, which ends the process. The largest fundus cameras
 * give 50 million pixels; 200 million take 1.2 GB at 16 bits per channel.
 */
const PICTURE_LIMITS = { pixels: 200_000_000, bytes: 2 ** 30 } as const;

/** What sharp may open. It would also draw SVG, PDF and others, which may name further files. */
const FORMATS = ['jpeg', 'png', 'tiff', 'webp', 'gif'];

/** Samples that have a white: 0 to 1 or 0 to 4095 in floats is anyone's guess. */
const SAMPLES: readonly string[] = ['uchar', 'ushort'];

/** Where a path is handed to sharp directly: the same limit on pixels. */
export const LIMITED = { limitInputPixels: PICTURE_LIMITS.pixels } as const;

/** A picture's header. */
export interface PictureHeader {
  /** Size as shown: an EXIF orientation is applied. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation, 1 … 8; 1: as stored. */
  readonly orientation: number;
  readonly metadata: Metadata;
}

export interface OpenedPicture extends PictureHeader {
  /** What a viewer of the file would see otherwise, one line each: pages beside the first, inks. */
  readonly notes: readonly string[];
  readonly content: Buffer;
  /** What a DICOM file says of its picture; null for other files. */
  readonly dicom: DicomFacts | null;
  /** Decodes `content` (or a relabeled copy of it), strictly, turned as its EXIF orientation says. */
  readonly pipeline: (content?: Buffer) => Sharp;
}

/** What to call a file, and the code of errors about it. */
export interface PictureKind {
  readonly name: string;
  readonly code: ErrorCode;
}
export const IMAGE: PictureKind = { name: 'image', code: 'data/image-unreadable' };
export const MASK: PictureKind = { name: 'mask', code: 'data/mask-unreadable' };

/** A file's bytes. @throws GmtlError `data/image-too-large`, or the kind's code, naming the file. */
export async function readPicture(path: string, kind: PictureKind = IMAGE): Promise<Buffer> {
  try {
    const size = await sizeOfFile(path);
    if (size > PICTURE_LIMITS.bytes) throw tooLarge(path, kind, `${size} bytes`, `${PICTURE_LIMITS.bytes} bytes`);
    return await readFile(path);
  } catch (cause) {
    throw pictureError(path, kind, cause);
  }
}

/** Bytes of a file; a pipe would be waited for. */
async function sizeOfFile(path: string): Promise<number> {
  const status = await stat(path);
  if (!status.isFile()) throw new WrongKind('it is not a file', 'Name a picture file');
  return status.size;
}

/**
 * Reads a file's header.
 *
 * @param source the path, or the file's content. @param path names the file in errors.
 * @throws GmtlError `data/image-too-large` (more pixels than {@link PICTURE_LIMITS}), or the kind's code.
 */
export async function readHeader(
  source: string | Buffer,
  path: string,
  kind: PictureKind = IMAGE,
): Promise<PictureHeader> {
  try {
    const isPath = typeof source === 'string';
    if (isPath) await sizeOfFile(source);
    if (isPath ? await startsAsDicom(source) : isDicom(source)) {
      const content = isPath ? await readPicture(source, kind) : source;
      return await readHeader(await openSoundDicom(content, path, kind).picture(), path, kind);
    }
    // The header alone: decoding nothing, it needs no limit of its own.
    const metadata = await sharp(source, { limitInputPixels: false }).metadata();
    const { format, orientation = 1, autoOrient, depth } = metadata;
    if (!FORMATS.includes(format)) throw new Error(`its content is ${format}, none of ${FORMATS.join(', ')}`);
    if (kind === IMAGE && !SAMPLES.includes(depth)) {
      throw new WrongKind(`its samples are of type ${depth}`, 'Save it with 8 or 16 bits for each sample');
    }
    const { width, height } = autoOrient;
    checkPixels({ width, height }, path, kind);
    return { width, height, orientation, metadata };
  } catch (cause) {
    throw pictureError(path, kind, cause);
  }
}

const isDicomPath = async (path: string): Promise<boolean> => (await stat(path)).isFile() && startsAsDicom(path);

/** @param path of a file: a pipe would be waited for. */
async function startsAsDicom(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(DICOM_MARK_END), 0, DICOM_MARK_END, 0);
    return isDicom(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

function openSoundDicom(
  content: Buffer,
  path: string,
  kind: PictureKind,
  frame?: number,
): ReturnType<typeof openDicom> {
  const opened = openDicom(content, path, kind.code, frame);
  checkPixels(opened, path, kind);
  return opened;
}

/** What sharp opens for a file: its path, or, for a DICOM file, its first frame. @throws GmtlError as {@link openPicture}. */
export async function sharpSource(path: string): Promise<string | Buffer> {
  if (!(await isDicomPath(path))) return path;
  return openSoundDicom(await readPicture(path), path, IMAGE).picture();
}

/** What a DICOM file says of its picture; null for other files. @throws GmtlError as {@link openPicture}. */
export async function dicomFacts(path: string): Promise<DicomFacts | null> {
  return (await isDicomPath(path)) ? openSoundDicom(await readPicture(path), path, IMAGE).facts : null;
}

/**
 * Opens a picture for decoding.
 *
 * @param bytes the file's content if it was read already. @param frame of a DICOM file, from 1.
 * @throws GmtlError as {@link readHeader}.
 */
export async function openPicture(
  path: string,
  kind: PictureKind,
  bytes?: Buffer,
  frame?: number,
): Promise<OpenedPicture> {
  const stored = bytes ?? (await readPicture(path, kind));
  const dicom = isDicom(stored) ? openSoundDicom(stored, path, kind, frame) : null;
  const content = dicom ? await dicom.picture() : stored;
  const header = await readHeader(content, path, kind);
  if (isTiff(content)) {
    if (isTruncatedTiff(content)) throw pictureError(path, kind, new Error('the file ends before its pixel data does'));
    checkColors(content, path, kind);
  }
  const options = { ...LIMITED, failOn: 'error', ignoreIcc: kind === MASK } as const;
  return {
    ...header,
    content,
    notes: notesOf(header.metadata),
    dicom: dicom?.facts ?? null,
    pipeline: (other = content) => sharp(other, options).autoOrient(),
  };
}

function notesOf({ pages = 1, space }: Metadata): string[] {
  return [
    ...(pages > 1 ? [`the file holds ${pages} pictures: the first was taken`] : []),
    ...(space === 'cmyk'
      ? ["the file's colors are inks (CMYK): they were converted, and differ from the camera's"]
      : []),
  ];
}

/** The error for a file that cannot be decoded. Errors that name it already pass unchanged. */
export function pictureError(path: string, kind: PictureKind, cause: unknown): GmtlError {
  if (cause instanceof GmtlError) return cause;
  if (isOutOfMemory(cause)) {
    const remedy = 'Leave it more memory (fewer threads, a smaller batch), or scale it down';
    return new GmtlError(kind.code, `The ${kind.name} ${path}: there is no memory left to decode it. ${remedy}.`, {
      cause,
    });
  }
  const code = errorCode(cause) ?? '';
  const known = NOT_DECODED.find(({ codes }) => codes.includes(code));
  if (known) return new GmtlError(kind.code, `The ${kind.name} ${path}: ${known.text}.`, { cause });
  // libvips repeats itself, a line each time.
  const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
  const remedy =
    cause instanceof WrongKind
      ? cause.remedy
      : (REMEDIES.find(({ pattern }) => pattern.test(reason))?.text ??
        'The file is truncated or damaged: unpack or download it again');
  return new GmtlError(kind.code, `Cannot decode the ${kind.name} ${path}: ${reason}. ${remedy}.`, { cause });
}

/** What is wrong with a sound file, and what to do. */
class WrongKind extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

/** A file that cannot be opened is not a damaged one. */
const NOT_DECODED: readonly { readonly codes: readonly string[]; readonly text: string }[] = [
  { codes: ['ENOENT', 'ENOTDIR'], text: 'there is no such file, or it is a link to one that is gone: check the path' },
  { codes: ['ELOOP'], text: 'it is a symbolic link that leads back to itself: put the file in its place' },
  { codes: ['EACCES', 'EPERM'], text: 'it may not be read: check its permissions (chmod +r)' },
  {
    codes: ['EIO', 'ESTALE', 'ETIMEDOUT', 'EHOSTDOWN', 'ENOTCONN'],
    text: 'its disk or network mount did not give it: try again when that answers',
  },
  { codes: ['EMFILE', 'ENFILE'], text: 'too many files are open: raise the limit (ulimit -n)' },
  { codes: ['ENAMETOOLONG'], text: 'its name is too long for this file system: check the path' },
];

/** What to do about what the decoder says of sound files. */
const REMEDIES: readonly { readonly pattern: RegExp; readonly text: string }[] = [
  {
    pattern: /\bunsupported image format|none of jpeg/,
    text: 'It is not a picture, or of a kind that is not read: save it as PNG, JPEG or TIFF',
  },
  {
    pattern: /\b(not supported|unsupported|not configured|no known route|can ?not handle|bad \w+ format|pseudo-tag)\b/i,
    text: 'The file may be sound, but this way of storing a picture is not read: save it as PNG',
  },
];

/** A TIFF's colors are taken as red, green and blue where the decoder does not convert them. */
function checkColors(content: Buffer, path: string, kind: PictureKind): void {
  const colors = unconvertedColors(content);
  if (colors === null) return;
  const cause = new WrongKind(`its colors are ${colors}, which are not converted`, 'Save it as RGB');
  throw pictureError(path, kind, cause);
}

function checkPixels(
  { width, height }: Pick<PictureHeader, 'width' | 'height'>,
  path: string,
  kind: PictureKind,
): void {
  if (width * height <= PICTURE_LIMITS.pixels) return;
  throw tooLarge(path, kind, `${width}x${height} pixels`, `${PICTURE_LIMITS.pixels / 1e6} million pixels`);
}

function tooLarge(path: string, kind: PictureKind, size: string, limit: string): GmtlError {
  return new GmtlError(
    'data/image-too-large',
    `The ${kind.name} ${path} has ${size}, more than the ${limit} that are decoded. Scale it down, or leave it out.`,
  );
}
