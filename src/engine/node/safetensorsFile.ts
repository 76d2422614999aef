/** Reads and writes safetensors files. */
import { readFile } from 'node:fs/promises';
import { GmtlError } from '../errors.ts';
import { errorCode, isWaitedFor, writeFileAtomic } from './atomic.ts';
import { checkAttributes } from '../arguments.ts';
import { decodeSafetensors, type EncodableTensor, encodeSafetensors, type SafetensorsFile } from '../io/safetensors.ts';

/**
 * Reads and validates a safetensors file.
 * @throws GmtlError `io/not-found`, or as {@link decodeSafetensors}.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  checkAttributes('readSafetensors', { path: 'path' }, { path });
  return decodeSafetensors(await readBytes(path), path);
}

/** Writes a safetensors file atomically: tensors by name, such as `await module.stateDict()`. @throws GmtlError as {@link encodeSafetensors} and `writeFileAtomic`. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, EncodableTensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  checkAttributes('writeSafetensors', { path: 'path' }, { path });
  await writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}

/** Reads a whole file. @throws GmtlError `io/not-found` or `io/not-readable`. */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (isWaitedFor(path))
    throw new GmtlError('io/not-readable', `${path}: is a device, pipe or socket; a file is needed.`);
  try {
    return await readFile(path);
  } catch (error) {
    throw describeReadError(error, path);
  }
}

/** A file that could not be read, as `io/not-found` or `io/not-readable`. */
export function describeReadError(cause: unknown, path: string): GmtlError {
  const code = errorCode(cause);
  if (code === 'ENOENT') return new GmtlError('io/not-found', `${path}: no such file. Check the path.`, { cause });
  if (code === 'EISDIR') return new GmtlError('io/not-readable', `${path}: is a folder, a file is needed.`, { cause });
  return new GmtlError('io/not-readable', `${path}: cannot be read (${(cause as Error).message}).`, { cause });
}
