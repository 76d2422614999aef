/** Reads the members of an uncompressed zip archive, as PyTorch writes them (APPNOTE.TXT 4.3; ZIP64 included). */

import { oneLine } from '../printable.ts';

/** A zip archive that cannot be read, and why. */
export class ZipProblem extends Error {}

const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const MOST_COMMENT = 65_535;
const MAX32 = 0xffffffff;

/** Whether the bytes begin as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 0x03 && bytes[3] === 0x04;
}

/** The members by name, as views of `bytes`. @throws ZipProblem for a damaged, truncated, compressed or encrypted archive. */
export function zipMembers(bytes: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const within = (at: number, length: number, what: string): number => {
    if (!Number.isSafeInteger(at) || at < 0 || at + length > bytes.length)
      throw new ZipProblem(`${what} lies outside it`);
    return at;
  };
  const long = (at: number): number => Number(view.getBigUint64(within(at, 8, 'a number'), true));
  let end = bytes.length - 22;
  const first = Math.max(0, end - MOST_COMMENT);
  while (end >= first && view.getUint32(end, true) !== END) end--;
  if (end < first) throw new ZipProblem('its end is missing: it is cut short');
  let count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if ((count === 0xffff || at === MAX32) && end >= 20 && view.getUint32(end - 20, true) === END64_LOCATOR) {
    const wide = within(long(end - 12), 56, 'its directory');
    if (view.getUint32(wide, true) !== END64) throw new ZipProblem('its directory is damaged');
    count = long(wide + 32);
    at = long(wide + 48);
  }
  // A member takes 46 bytes of the directory at least.
  if (count > bytes.length / 46) throw new ZipProblem(`it claims ${count} members`);
  const members = new Map<string, Uint8Array>();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let total = 0;
  for (let index = 0; index < count; index++) {
    within(at, 46, 'its directory');
    if (view.getUint32(at, true) !== CENTRAL) throw new ZipProblem('its directory is damaged');
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = decoder.decode(
      bytes.subarray(within(at + 46, nameLength + extraLength, 'a name'), at + 46 + nameLength),
    );
    const shown = oneLine(name);
    if (flags & 1) throw new ZipProblem(`${shown} is encrypted`);
    if (method !== 0) throw new ZipProblem(`${shown} is compressed, which PyTorch's files are not`);
    const sizes = {
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      local: view.getUint32(at + 42, true),
    };
    readWide(view, at + 46 + nameLength, extraLength, sizes, long);
    if (sizes.packed !== sizes.size) throw new ZipProblem(`${shown} has two sizes`);
    within(sizes.local, 30, shown);
    if (view.getUint32(sizes.local, true) !== LOCAL) throw new ZipProblem(`${shown} is not where the directory says`);
    const start = sizes.local + 30 + view.getUint16(sizes.local + 26, true) + view.getUint16(sizes.local + 28, true);
    within(start, sizes.size, shown);
    total += sizes.size;
    if (members.has(name) || total > bytes.length) throw new ZipProblem(`${shown} overlaps another member`);
    members.set(name, bytes.subarray(start, start + sizes.size));
    at += 46 + nameLength + extraLength + commentLength;
  }
  return members;
}

/** ZIP64's field holds, in this order, those of the numbers that did not fit. */
function readWide(
  view: DataView,
  start: number,
  length: number,
  sizes: { packed: number; size: number; local: number },
  long: (at: number) => number,
): void {
  for (let at = start; at + 4 <= start + length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let field = at + 4;
    for (const key of ['size', 'packed', 'local'] as const) {
      if (sizes[key] !== MAX32) continue;
      sizes[key] = long(field);
      field += 8;
    }
  }
}
