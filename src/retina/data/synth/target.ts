/** Puts a generated data set into its folder whole, or not at all. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../../engine/errors.ts';
import { describeWriteError, errorCode, makeFolders } from '../../../engine/node/atomic.ts';

/** The file at the set's root that says what was generated; its presence marks the set as complete. */
const manifestName = 'synthetic.json';

/** Whether a file lies in a generated set: one of the folders above it has the manifest. */
export function isSynthetic(path: string): boolean {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (existsSync(join(folder, manifestName))) return true;
    if (folder === dirname(folder)) return false;
  }
}

/** Raised whenever the same options give other pictures than before. */
const generatorVersion = 2;

const optionsSchema = z.object({
  seed: z.number(),
  size: z.number(),
  segmentationTrain: z.number(),
  segmentationTest: z.number(),
  gradingTrain: z.number(),
  gradingTest: z.number(),
});
const manifestSchema = z.object({
  note: z.string(),
  generatorVersion: z.number(),
  options: optionsSchema,
  images: z.number(),
  masks: z.number(),
});

/** The options that decide the set's content. */
export type ContentOptions = z.infer<typeof optionsSchema>;

export interface SetCounts {
  readonly images: number;
  readonly masks: number;
}

/**
 * Looks at the target directory.
 *
 * @returns the counts of the complete set that already stands there, or null where one is to be generated (nothing there,
 *   or an empty directory)
 * @throws GmtlError `data/synthetic-directory` when something else is there: it is never overwritten
 */
export async function findExisting(directory: string, options: ContentOptions): Promise<SetCounts | null> {
  const refuse = (what: string, cause?: unknown): GmtlError =>
    new GmtlError(
      'data/synthetic-directory',
      `cannot put a synthetic data set into ${directory}: ${what}. Choose another directory, or remove this one.`,
      { cause },
    );
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      if (await lstat(directory).catch(() => null)) throw refuse('it is a link that leads nowhere', error);
      return null;
    }
    throw refuse(errorCode(error) === 'ENOTDIR' ? 'it is a file' : `it cannot be read (${errorCode(error)})`, error);
  }
  if (names.length === 0) return null;
  if (!names.includes(manifestName)) throw refuse(`it holds other files and no ${manifestName}`);
  let manifest: z.infer<typeof manifestSchema>;
  try {
    manifest = manifestSchema.parse(JSON.parse(await readFile(join(directory, manifestName), 'utf8')));
  } catch (error) {
    throw refuse(`its ${manifestName} was not written by this generator`, error);
  }
  const differences = Object.entries(options)
    .map(([name, value]) => ({ name, value, had: manifest.options[name as keyof ContentOptions] }))
    .filter(({ value, had }) => value !== had)
    .map(({ name, value, had }) => `${name} ${had} instead of ${value}`);
  if (differences.length > 0) throw refuse(`it holds a set generated with ${differences.join(', ')}`);
  if (manifest.generatorVersion !== generatorVersion) {
    throw refuse(
      `it holds a set from version ${manifest.generatorVersion} of the generator, this is ${generatorVersion}`,
    );
  }
  const files = await readdir(directory, { recursive: true });
  const images = files.filter((file) => extname(file) === '.jpg').length;
  const masks = files.filter((file) => extname(file) === '.tif').length;
  const tables = files.filter((file) => extname(file) === '.csv').length;
  if (images !== manifest.images || masks !== manifest.masks || tables !== 2) {
    throw refuse(
      `it has lost files since it was generated (${images} of ${manifest.images} images, ` +
        `${masks} of ${manifest.masks} masks, ${tables} of 2 tables)`,
    );
  }
  return { images, masks };
}

/**
 * Lets `fill` build the set in a temporary directory beside the target, adds the manifest, and renames it into place: the
 * target is absent or complete, never half done. The temporary directory goes whatever happens.
 *
 * @throws GmtlError `io/...` when the disk refuses, and whatever `fill` throws
 */
export async function buildAside(
  directory: string,
  options: ContentOptions,
  fill: (temporary: string) => Promise<SetCounts>,
): Promise<SetCounts> {
  let temporary: string | undefined;
  try {
    makeFolders(dirname(directory));
    // Not mkdtemp: its directories are closed to other users, and this one becomes the data set's.
    const path = join(dirname(directory), `.${basename(directory)}.${randomBytes(6).toString('hex')}.gmtl-tmp`);
    await mkdir(path);
    temporary = path;
    const counts = await fill(temporary);
    const manifest: z.infer<typeof manifestSchema> = {
      note: 'Retinas drawn by a program, for trying out and testing software. Not photographs, no patient data.',
      generatorVersion,
      options,
      ...counts,
    };
    await writeFile(join(temporary, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    await moveIntoPlace(temporary, directory);
    return counts;
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    throw describeWriteError(error, directory);
  }
}

/** Renames over nothing or over an empty directory (which Windows would refuse to replace). */
async function moveIntoPlace(temporary: string, directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') {
      throw new GmtlError(
        'data/synthetic-directory',
        `${directory} was filled by another process meanwhile; if that was the same command, run this one again`,
        { cause: error },
      );
    }
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  await rename(temporary, directory);
}
