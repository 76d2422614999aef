/** Names a set of weights by its content. */
import { createHash } from 'node:crypto';
import type { StoredTensors } from '../../engine/io/safetensors.ts';

/** SHA-256, hexadecimal, of names, shapes and elements in the order of the names: the same whatever file they lie in. */
export function weightsHash(weights: StoredTensors): string {
  const hash = createHash('sha256');
  for (const [name, { shape, data }] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(JSON.stringify([name, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
