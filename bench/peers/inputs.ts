/**
 * Generates all inputs. A number depends on a name and an index alone, so JavaScript and Python (torch.py) make the same numbers, each
 * without making those before it.
 */

/** How an input is filled. `uniform`: `shift + scale * u` with u in [-1, 1). `labels`: integers below `below`. */
export type Fill =
  | { readonly kind: 'uniform'; readonly scale: number; readonly shift: number }
  | { readonly kind: 'labels'; readonly below: number };

/** FNV-1a, 32 bits, of a name in ASCII: the seed of the input with that name. */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Element `index` of the stream `seed`: 32 well mixed bits (MurmurHash3's finalizer). */
export function bitsAt(seed: number, index: number): number {
  let x = (Math.imul(index, 0x9e3779b1) + seed) | 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** `count` numbers: float32 for `uniform`, int32 for `labels`. */
export function makeInput(
  name: string,
  count: number,
  fill: Fill,
): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const seed = seedOf(name);
  if (fill.kind === 'labels') return Int32Array.from({ length: count }, (_, i) => bitsAt(seed, i) % fill.below);
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = fill.shift + fill.scale * ((bitsAt(seed, i) >>> 8) / 2 ** 23 - 1);
  return data;
}
