/** Expands a command's list of images and folders into files, and names their results. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';

/** One image to run inference on. */
export interface InferInput {
  /** As given, or folder and file name. */
  readonly path: string;
  /** Stem of the result files; unique within a list of inputs, letter case apart. */
  readonly name: string;
}

const IMAGE_FILE = /\.(png|jpe?g|tiff?|webp|gif)$/i;

/**
 * Expands folders (their image files by extension, not their subfolders, sorted by name) and gives each image a name of its own: the
 * file's stem; where two clash, with the folder's name before it; where that clashes too, with a number appended.
 * A file given twice is taken once.
 *
 * @throws GmtlError `infer/no-input` for a path that does not exist, a folder without images, or an empty list.
 */
export function collectInputs(paths: readonly string[]): InferInput[] {
  if (paths.length === 0) throw new GmtlError('infer/no-input', 'no image given: name image files, or folders of them');
  const files = new Map<string, string>();
  for (const path of paths) for (const file of expand(path)) files.set(resolve(file), file);
  const stems = new Map<string, number>();
  for (const file of files.keys()) {
    const key = stemOf(file).toLowerCase();
    stems.set(key, (stems.get(key) ?? 0) + 1);
  }
  const taken = new Set<string>();
  return [...files].map(([absolute, path]) => {
    const stem = stemOf(absolute);
    const clashes = (stems.get(stem.toLowerCase()) ?? 0) > 1;
    const wanted = clashes ? `${basename(dirname(absolute))}_${stem}` : stem;
    let name = wanted;
    // A name made of folder and stem can be another file's own stem.
    for (let count = 2; taken.has(name.toLowerCase()) || (clashes && stems.has(name.toLowerCase())); count++) {
      name = `${wanted}-${count}`;
    }
    taken.add(name.toLowerCase());
    return { path, name };
  });
}

function stemOf(path: string): string {
  return basename(path, extname(path));
}

function expand(path: string): string[] {
  if (!statOf(path).isDirectory()) return [path];
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    throw new GmtlError('infer/no-input', `${path}: the folder cannot be read (${(cause as Error).message})`, {
      cause,
    });
  }
  const images = names.filter((name) => IMAGE_FILE.test(name) && !name.startsWith('.')).sort();
  if (images.length === 0) {
    const holds = names.length === 0 ? 'the folder is empty' : `none of its ${names.length} entries is an image`;
    throw new GmtlError(
      'infer/no-input',
      `${path}: ${holds} (PNG, JPEG, TIFF, WebP, GIF by extension; subfolders are not searched). Name another folder.`,
    );
  }
  return images.map((name) => join(path, name));
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    throw new GmtlError('infer/no-input', `${path}: no such image or folder. Check the path.`, { cause });
  }
}
