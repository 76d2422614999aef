/** Tells from its path what a file of IDRiD's folder layout is. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { GmtlError } from '../../../engine/errors.ts';
import { STRUCTURES, type Structure } from '../../domain.ts';

/** A file of IDRiD's folder layout, with what its path reveals. */
export type LayoutFile =
  | {
      readonly kind: 'image';
      readonly path: string;
      readonly part: 'A' | 'B';
      readonly split: 'train' | 'test';
      readonly stem: string;
    }
  | {
      readonly kind: 'mask';
      readonly path: string;
      readonly split: 'train' | 'test';
      readonly stem: string;
      readonly structure: Structure;
    }
  | { readonly kind: 'csv'; readonly path: string; readonly split: 'train' | 'test' | null }
  /** A symbolic link whose target does not exist, or cannot be reached. */
  | { readonly kind: 'dangling'; readonly path: string }
  | { readonly kind: 'other'; readonly path: string; readonly reason: string };

const IMAGE_EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.tif', '.tiff', '.dcm']);

/** Licenses and descriptions are shipped with every part. */
const EXPECTED_EXTENSIONS = new Set(['.txt', '.md', '.pdf', '.docx', '.xlsx', '.json', '.html']);

/**
 * Lists the files of an IDRiD folder, at any nesting (archives unpack to `A. Segmentation/A. Segmentation/…`).
 * The part, the split and the structure are read from the nearest folder or file name that contains them. Symbolic links are
 * followed, each folder once. Hidden files and `__MACOSX` folders are skipped; part C (localization) and files that fit nowhere come back as `other`.
 *
 * @throws GmtlError `data/no-folder` when the folder cannot be read.
 */
export async function listLayout(root: string): Promise<LayoutFile[]> {
  const top = resolve(root);
  const found: Found = { files: [], dangling: [], seen: new Set() };
  await walk(top, found);
  return [
    ...found.files.sort().map((path) => classify(top, path)),
    ...found.dangling.sort().map((path): LayoutFile => ({ kind: 'dangling', path })),
  ];
}

interface Found {
  readonly files: string[];
  readonly dangling: string[];
  /** Real paths of the folders that were walked: a link may lead back to one. */
  readonly seen: Set<string>;
}

async function walk(folder: string, found: Found): Promise<void> {
  let entries: Awaited<ReturnType<typeof readEntries>>;
  try {
    const real = await realpath(folder);
    if (found.seen.has(real)) return;
    found.seen.add(real);
    entries = await readEntries(folder);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError('data/no-folder', `Cannot read the data folder ${folder}: ${reason}. Check the path.`, {
      cause,
    });
  }
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue;
    const path = join(folder, entry.name);
    const target = entry.isSymbolicLink() ? await stat(path).catch(() => null) : entry;
    if (target === null) found.dangling.push(path);
    else if (target.isDirectory()) await walk(path, found);
    else found.files.push(path);
  }
}

function readEntries(folder: string) {
  return readdir(folder, { withFileTypes: true });
}

function last<T>(segments: readonly string[], tell: (segment: string) => T | null): T | null {
  for (let index = segments.length - 1; index >= 0; index--) {
    const answer = tell(segments[index]);
    if (answer !== null) return answer;
  }
  return null;
}

function tellPart(segment: string): 'A' | 'B' | 'C' | null {
  if (/segmentation/i.test(segment)) return 'A';
  if (/grading/i.test(segment)) return 'B';
  if (/locali[sz]ation/i.test(segment)) return 'C';
  return null;
}

function tellSplit(segment: string): 'train' | 'test' | null {
  if (/train/i.test(segment)) return 'train';
  if (/test/i.test(segment)) return 'test';
  return null;
}

function classify(top: string, path: string): LayoutFile {
  const inside = relative(top, path).split(sep);
  const folders = [basename(top), ...inside.slice(0, -1)];
  const name = inside[inside.length - 1];
  const extension = extname(name).toLowerCase();
  const part = last(folders, tellPart);
  if (part === 'C') return { kind: 'other', path, reason: 'part C (localization) is not used' };
  if (extension === '.csv') return { kind: 'csv', path, split: last(inside, tellSplit) };
  if (!IMAGE_EXTENSIONS.has(extension)) {
    const reason = EXPECTED_EXTENSIONS.has(extension) ? 'not an image' : 'unexpected file type';
    return { kind: 'other', path, reason };
  }
  const split = last(inside.slice(0, -1), tellSplit);
  if (split === null) return { kind: 'other', path, reason: 'in no training or testing folder' };
  const stem = name.slice(0, -extension.length);
  const isTruth = folders.some((folder) => /ground\s*truth/i.test(folder));
  if (isTruth) {
    const match = /^(.+)_(MA|HE|EX|SE|OD)$/i.exec(stem);
    if (match === null) {
      return {
        kind: 'other',
        path,
        reason: `a mask's name ends in ${STRUCTURES.map((structure) => `_${structure}`).join(', ')}`,
      };
    }
    return { kind: 'mask', path, split, stem: match[1], structure: match[2].toUpperCase() as Structure };
  }
  if (part === null) return { kind: 'other', path, reason: 'in neither "A. Segmentation" nor "B. Disease Grading"' };
  return { kind: 'image', path, part, split, stem };
}
