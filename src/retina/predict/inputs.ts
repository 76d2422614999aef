/** Expands a command's list of images and folders into files, and names their results. */
import { checkAttributes } from '../../engine/arguments.ts';
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';
import type { ManifestEntry } from './manifest.ts';

/** One image to run inference on. */
export interface InferInput {
  /** As given, or folder and file name. */
  readonly path: string;
  /** Stem of the result files; unique within a list of inputs, letter case apart. */
  readonly name: string;
  /** The frame of a DICOM file, from 1; absent: its only one. */
  readonly frame?: number;
  /** What a list says of it besides. */
  readonly entry?: Omit<ManifestEntry, 'path'>;
}

/** A stem's bytes at most, with a folder's name and `_overlay.png` and a temporary name to come. */
const MOST_BYTES = 180;

const LIST_FILE = /\.(csv|jsonl)$/i;
const IMAGE_FILE = /\.(png|jpe?g|tiff?|webp|gif|dcm|dicom)$/i;

/**
 * Expands folders (their image files by extension, sorted by name; those of their subfolders after them where `recursive`) and gives each image a name of its own: the
 * file's stem; where two clash, with the folder's name before it; where that clashes too, with a number appended.
 * A file given twice is taken once.
 *
 * @throws GmtlError `infer/no-input` for a path that does not exist, a folder without images, a list's file, or an empty list.
 */
export function collectInputs(paths: readonly string[], options: { readonly recursive?: boolean } = {}): InferInput[] {
  checkAttributes('collectInputs', { paths: 'paths' }, { paths });
  checkAttributes('collectInputs', { recursive: 'flag?' }, options);
  const { recursive = false } = options;
  if (paths.length === 0) throw new GmtlError('infer/no-input', 'no image given: name image files, or folders of them');
  return nameInputs(paths.flatMap((path) => expand(path, recursive)).map((path) => ({ path })));
}

/** Names the pictures of a list as {@link collectInputs} does, by their ids where they have one. */
export function nameInputs(entries: readonly ManifestEntry[]): InferInput[] {
  const files = new Map(entries.map((entry) => [resolve(entry.path), entry]));
  const nameOf = (absolute: string, { id }: ManifestEntry): string =>
    id === undefined ? stemOf(absolute) : shortened(id.replaceAll(/[/\\:]/g, '_'));
  const stems = new Map<string, number>();
  for (const [file, entry] of files) {
    const key = nameOf(file, entry).toLowerCase();
    stems.set(key, (stems.get(key) ?? 0) + 1);
  }
  const taken = new Set<string>();
  return [...files].map(([absolute, { path, ...entry }]) => {
    const stem = nameOf(absolute, { path, ...entry });
    const clashes = (stems.get(stem.toLowerCase()) ?? 0) > 1;
    const wanted = clashes ? shortened(`${basename(dirname(absolute))}_${stem}`) : stem;
    let name = wanted;
    // A name made of folder and stem can be another file's own stem.
    for (let count = 2; taken.has(name.toLowerCase()) || (clashes && stems.has(name.toLowerCase())); count++) {
      name = `${wanted}-${count}`;
    }
    taken.add(name.toLowerCase());
    return { path, name, ...(Object.keys(entry).length > 0 && { entry }) };
  });
}

function stemOf(path: string): string {
  return shortened(basename(path, extname(path)));
}

/** Cut so that the names of results and of their temporary files stay within the 255 bytes of most file systems. */
function shortened(stem: string): string {
  let short = stem;
  while (Buffer.byteLength(short) > MOST_BYTES) short = short.slice(0, -1);
  return short;
}

function expand(path: string, recursive: boolean): string[] {
  if (!statOf(path).isDirectory()) {
    if (!LIST_FILE.test(path)) return [path];
    throw new GmtlError('infer/no-input', `${path} is a list of pictures, not one: give it with --manifest`);
  }
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    throw new GmtlError('infer/no-input', `${path}: the folder cannot be read (${(cause as Error).message})`, {
      cause,
    });
  }
  const shown = names.filter((name) => !name.startsWith('.')).sort();
  const images = shown.filter((name) => IMAGE_FILE.test(name));
  if (recursive) {
    const below = shown.filter((name) => !IMAGE_FILE.test(name)).map((name) => join(path, name));
    const deeper = below.filter((entry) => lstatSync(entry).isDirectory()).flatMap((folder) => imagesBelow(folder));
    const all = [...images.map((name) => join(path, name)), ...deeper];
    if (all.length > 0) return all;
  }
  if (images.length === 0) {
    const holds = names.length === 0 ? 'the folder is empty' : `none of its ${names.length} entries is an image`;
    throw new GmtlError(
      'infer/no-input',
      `${path}: ${holds} (PNG, JPEG, TIFF, WebP, GIF, DICOM by extension; subfolders are searched with --recursive). Name another folder.`,
    );
  }
  return images.map((name) => join(path, name));
}

/** Image files of a folder and its subfolders; links to folders are not followed. */
function imagesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const images = entries.filter((entry) => !entry.isDirectory() && IMAGE_FILE.test(entry.name));
  const folders = entries.filter((entry) => entry.isDirectory());
  return [
    ...images.map(({ name }) => join(folder, name)),
    ...folders.flatMap(({ name }) => imagesBelow(join(folder, name))),
  ];
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    throw new GmtlError(
      'infer/no-input',
      `${path === '' ? 'an empty name' : path}: no such image or folder. Check the path.`,
      { cause },
    );
  }
}
