/** Opens picture files: what a file's header says is held against limits and known formats before anything is decoded. */
import { readFile, stat } from 'node:fs/promises';
import type { Metadata, Sharp } from 'sharp';
import { sharp } from '../../../engine/node/optional.ts';
import { type ErrorCode, GmtlError } from '../../../engine/errors.ts';
import { isTiff, isTruncatedTiff } from './tiff.ts';

/**
 * A file beyond either is refused: 130 kB of PNG can unpack to 38,000 x 38,000 pixels, which ends the process. The largest fundus cameras
 * give 50 million pixels; 200 million take 1.2 GB at 16 bits a channel.
 */
const PICTURE_LIMITS = { pixels: 200_000_000, bytes: 2 ** 30 } as const;

/** What sharp may open. It would also draw SVG, PDF and others, which may name further files. */
const FORMATS = ['jpeg', 'png', 'tiff', 'webp', 'gif'];

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
  readonly content: Buffer;
  /** Decodes `content` (or a relabelled copy of it), strictly, turned as its EXIF orientation says. */
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
    const status = await stat(path);
    if (!status.isFile()) throw new Error('it is not a file');
    const { size } = status;
    if (size > PICTURE_LIMITS.bytes) throw tooLarge(path, kind, `${size} bytes`, `${PICTURE_LIMITS.bytes} bytes`);
    return await readFile(path);
  } catch (cause) {
    throw pictureError(path, kind, cause);
  }
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
    // The header alone: decoding nothing, it needs no limit of its own.
    const metadata = await sharp(source, { limitInputPixels: false }).metadata();
    const { format, orientation = 1, autoOrient } = metadata;
    if (!FORMATS.includes(format)) throw new Error(`its content is ${format}, none of ${FORMATS.join(', ')}`);
    const { width, height } = autoOrient;
    if (width * height > PICTURE_LIMITS.pixels) {
      const most = `${PICTURE_LIMITS.pixels / 1e6} million pixels`;
      throw tooLarge(path, kind, `${width}x${height} pixels`, most);
    }
    return { width, height, orientation, metadata };
  } catch (cause) {
    throw pictureError(path, kind, cause);
  }
}

/** Opens a picture for decoding. @param bytes the file's content if it was read already. @throws GmtlError as {@link readHeader}. */
export async function openPicture(path: string, kind: PictureKind, bytes?: Buffer): Promise<OpenedPicture> {
  const content = bytes ?? (await readPicture(path, kind));
  const header = await readHeader(content, path, kind);
  if (isTiff(content) && isTruncatedTiff(content)) {
    throw pictureError(path, kind, new Error('the file ends before its pixel data does'));
  }
  const options = { ...LIMITED, failOn: 'error', ignoreIcc: kind === MASK } as const;
  return { ...header, content, pipeline: (other = content) => sharp(other, options).autoOrient() };
}

/** The error for a file that cannot be decoded. Errors that name it already pass unchanged. */
export function pictureError(path: string, kind: PictureKind, cause: unknown): GmtlError {
  if (cause instanceof GmtlError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GmtlError(
    kind.code,
    `Cannot decode the ${kind.name} ${path}: ${reason}. The file is truncated or damaged: unpack or download it again.`,
    { cause },
  );
}

function tooLarge(path: string, kind: PictureKind, size: string, limit: string): GmtlError {
  return new GmtlError(
    'data/image-too-large',
    `The ${kind.name} ${path} has ${size}, more than the ${limit} that are decoded. Scale it down, or leave it out.`,
  );
}
