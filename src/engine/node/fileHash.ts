/** Hashes files, each once per process. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { GmtlError } from '../errors.ts';

/** Hashes this process has computed, valid while a file's size and modification time stay. */
const known = new Map<string, { readonly stamp: string; readonly sha256: string }>();

function unreadable(path: string, cause: unknown): GmtlError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GmtlError('data/image-unreadable', `Cannot read the image ${path}: ${reason}.`, { cause });
}

async function stampOf(path: string): Promise<string> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return `${entry.size}:${entry.mtimeMs}`;
}

/**
 * SHA-256 of a file's bytes, hexadecimal. Read once per process: a file whose size and modification time are as before is not
 * read again.
 *
 * @throws GmtlError `data/image-unreadable` naming the file.
 */
export async function hashFile(path: string): Promise<string> {
  const stamp = await stampOf(path);
  const earlier = known.get(path);
  if (earlier?.stamp === stamp) return earlier.sha256;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const sha256 = hash.digest('hex');
  known.set(path, { stamp, sha256 });
  return sha256;
}
