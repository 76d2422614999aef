/** Reads a configuration file. */
import { readFile } from 'node:fs/promises';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';
import type { ConfigLayer } from './resolve.ts';

/**
 * The values of a JSON file, for `resolveConfig` to merge and validate.
 *
 * @throws GmtlError `config/file` where the file does not exist or does not hold a JSON object.
 */
export async function readConfigFile(path: string): Promise<ConfigLayer> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    const reason = errorCode(cause) === 'ENOENT' ? 'no such file' : (cause as Error).message;
    throw new GmtlError('config/file', `configuration file ${path}: ${reason}. Check the path.`, { cause });
  }
  let values: unknown;
  try {
    values = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new GmtlError('config/file', `configuration file ${path}: no valid JSON (${(cause as Error).message})`, {
      cause,
    });
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new GmtlError('config/file', `configuration file ${path}: it must hold a JSON object`);
  }
  return { origin: path, values: { ...values } };
}
