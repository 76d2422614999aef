/** Reads a folder in the official IDRiD layout. */
import { GmtlError } from '../../../engine/errors.ts';
import { imageKey, looksLikeGradingCsv, readTable, scanGradingCsv } from './labels.ts';
import { type LayoutFile, listLayout } from './layout.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';
import { IMAGE, MASK, type PictureHeader, type PictureKind, readHeader } from '../pictures/openPicture.ts';
import { type DatasetItem, type Structure, STRUCTURES, noMasks } from '../../domain.ts';

/** What a folder in the official IDRiD layout holds. Splits are the official ones: `train` and `test`. */
export interface IdridScan {
  readonly root: string;
  readonly items: DatasetItem[];
  /** Everything that is wrong, each naming the file (and row), the reason and what to do. */
  readonly problems: GmtlError[];
  /** What is as it should be and yet worth knowing. */
  readonly notes: string[];
  /** Files that were not used, and why. */
  readonly unused: { readonly path: string; readonly reason: string }[];
}

type ImageFile = Extract<LayoutFile, { kind: 'image' }>;
type MaskFile = Extract<LayoutFile, { kind: 'mask' }>;

/**
 * Reads a folder in the official IDRiD layout (part A, part B or both, at any nesting) and reports every problem at once.
 * Image and mask headers are opened to compare sizes; nothing is decoded.
 *
 * @throws GmtlError `data/no-folder` when the folder cannot be read; everything else goes to `problems`.
 */
export async function scanIdrid(root: string): Promise<IdridScan> {
  const files = await listLayout(root);
  const problems: GmtlError[] = [];
  const unused: { path: string; reason: string }[] = [];
  const images = new Map<string, ImageFile>();
  const masks: MaskFile[] = [];
  const tables: Extract<LayoutFile, { kind: 'csv' }>[] = [];
  for (const file of files) {
    if (file.kind === 'other') unused.push({ path: file.path, reason: file.reason });
    else if (file.kind === 'dangling') problems.push(dangling(file.path));
    else if (file.kind === 'mask') masks.push(file);
    else if (file.kind === 'csv') tables.push(file);
    else {
      // Part B numbers its training and testing images from 1 again: only part + split + name is a key.
      const key = itemKey(file.part, file.split, file.stem);
      const earlier = images.get(key);
      if (earlier === undefined) images.set(key, file);
      else problems.push(duplicate('image', file.path, earlier.path));
    }
  }
  const maskPaths = assignMasks(masks, images, problems);
  const grades = await readTables(tables, images, problems, unused);

  const items: DatasetItem[] = [];
  for (const [key, image] of images) {
    const { part, split, stem, path } = image;
    const base = { id: `${part}/${split}/${stem}`, part, split, imagePath: path };
    if (part === 'A') {
      const paths = maskPaths.get(key) ?? noMasks();
      if (STRUCTURES.every((structure) => paths[structure] === null)) {
        problems.push(
          new GmtlError(
            'data/image-without-masks',
            `${path} has no mask of any kind under "2. All Segmentation Groundtruths". Every IDRiD image has at least an optic disc: ` +
              'unpack the ground truths again, or remove the image.',
          ),
        );
        continue;
      }
      items.push({ ...base, task: 'segmentation', maskPaths: paths, retinopathy: null, edema: null });
    } else {
      const grade = grades.rows.get(key);
      // Where the table itself could not be read, that is the one thing to mend.
      if (grade === undefined && grades.unread.has(split)) continue;
      if (grade === undefined) {
        problems.push(
          new GmtlError(
            'data/image-without-row',
            `${path} has no valid row in ${grades.files[split] ?? `any ${split === 'train' ? 'training' : 'testing'} labels CSV`}. ` +
              'Add its grades to the table or remove the image.',
          ),
        );
        continue;
      }
      items.push({
        ...base,
        task: 'classification',
        maskPaths: null,
        retinopathy: grade.retinopathy,
        edema: grade.edema,
      });
    }
  }
  if (items.length === 0 && problems.length === 0) {
    problems.push(
      new GmtlError(
        'data/no-images',
        `${root} holds no IDRiD images. Expected "A. Segmentation/1. Original Images/a. Training Set/IDRiD_01.jpg" and the like, ` +
          'at any depth: pass the folder the archives were unpacked into.',
      ),
    );
  }
  const notes = await checkSizes(items, problems);
  return { root, items, problems, notes, unused };
}

/**
 * A folder in the official IDRiD layout that has no problems.
 *
 * @throws GmtlError with the first problem's code when there is any; the message lists up to ten of them.
 */
export async function scanSoundIdrid(root: string): Promise<IdridScan> {
  const scan = await scanIdrid(root);
  throwProblems(root, scan.problems);
  return scan;
}

/** The items of a folder in the official IDRiD layout. @throws GmtlError as {@link scanSoundIdrid}. */
export async function readIdrid(root: string): Promise<DatasetItem[]> {
  return (await scanSoundIdrid(root)).items;
}

/** Throws when there are problems: the only one itself, or one error that lists the first ten. */
function throwProblems(source: string, problems: readonly GmtlError[]): void {
  if (problems.length === 0) return;
  if (problems.length === 1) throw problems[0];
  const shown = problems.slice(0, 10).map((problem) => `  - ${problem.message}`);
  if (problems.length > shown.length)
    shown.push(`  … and ${problems.length - shown.length} more ("gmtl data verify" lists all).`);
  throw new GmtlError(problems[0].code, `${source} has ${problems.length} problems:\n${shown.join('\n')}`);
}

function itemKey(part: string, split: string, stem: string): string {
  return `${part}/${split}/${imageKey(stem)}`;
}

function dangling(path: string): GmtlError {
  return new GmtlError(
    'data/dangling-link',
    `${path} is a symbolic link whose target does not exist or cannot be reached. Mend the link, or remove it.`,
  );
}

function duplicate(what: string, path: string, earlier: string): GmtlError {
  return new GmtlError(
    'data/duplicate-file',
    `Two files for the same ${what}: ${earlier} and ${path}. Remove one (an archive was unpacked twice).`,
  );
}

function assignMasks(
  masks: readonly MaskFile[],
  images: ReadonlyMap<string, ImageFile>,
  problems: GmtlError[],
): Map<string, Record<Structure, string | null>> {
  const assigned = new Map<string, Record<Structure, string | null>>();
  for (const mask of masks) {
    const key = itemKey('A', mask.split, mask.stem);
    if (!images.has(key)) {
      problems.push(
        new GmtlError(
          'data/mask-without-image',
          `The mask ${mask.path} has no image ${mask.stem} among part A's ${mask.split === 'train' ? 'training' : 'testing'} images. ` +
            'Unpack the images again or remove the mask.',
        ),
      );
      continue;
    }
    const paths = assigned.get(key) ?? noMasks();
    const earlier = paths[mask.structure];
    if (earlier === null) paths[mask.structure] = mask.path;
    else problems.push(duplicate('mask', mask.path, earlier));
    assigned.set(key, paths);
  }
  return assigned;
}

interface Grades {
  readonly rows: Map<string, { readonly retinopathy: number; readonly edema: number }>;
  readonly files: { train?: string; test?: string };
  /** Splits whose table is there and gave no row. */
  readonly unread: Set<string>;
}

async function readTables(
  tables: readonly Extract<LayoutFile, { kind: 'csv' }>[],
  images: ReadonlyMap<string, ImageFile>,
  problems: GmtlError[],
  unused: { path: string; reason: string }[],
): Promise<Grades> {
  const grades: Grades = { rows: new Map(), files: {}, unread: new Set() };
  for (const table of tables) {
    const text = await readTable(table.path, problems);
    if (text === null) {
      if (table.split !== null) grades.unread.add(table.split);
      continue;
    }
    // Mirrors rename the tables, and the localization tables lie beside them: the columns decide.
    if (!looksLikeGradingCsv(text)) {
      // A table that sits where the labels belong and has lost its header must not be passed over in silence.
      if (/grading|label/i.test(table.path)) {
        await scanGradingCsv(table.path, problems, text);
        if (table.split !== null) grades.unread.add(table.split);
      } else unused.push({ path: table.path, reason: 'not a grading table' });
      continue;
    }
    if (table.split === null) {
      problems.push(
        new GmtlError(
          'data/csv-split',
          `${table.path}: cannot tell whether it grades the training or the testing images. Put "Training" or "Testing" into its name.`,
        ),
      );
      continue;
    }
    const earlier = grades.files[table.split];
    if (earlier !== undefined) {
      problems.push(duplicate(`grading table (${table.split})`, table.path, earlier));
      continue;
    }
    grades.files[table.split] = table.path;
    const known = problems.length;
    const rows = await scanGradingCsv(table.path, problems, text);
    const isUnread = problems
      .slice(known)
      .some(({ code }) => code !== 'data/csv-grade' && code !== 'data/csv-duplicate');
    if (isUnread) grades.unread.add(table.split);
    const anyImage = [...images.values()].some((image) => image.part === 'B' && image.split === table.split);
    if (!anyImage && rows.length > 0) {
      problems.push(
        new GmtlError(
          'data/row-without-image',
          `${table.path} grades ${rows.length} images, but there is no part B ${table.split === 'train' ? 'training' : 'testing'} image. ` +
            'Unpack "B. Disease Grading/1. Original Images" beside it, or remove the table.',
        ),
      );
      continue;
    }
    for (const row of rows) {
      const key = itemKey('B', table.split, row.image);
      if (images.has(key)) grades.rows.set(key, row);
      else {
        problems.push(
          new GmtlError(
            'data/row-without-image',
            `${table.path}, line ${row.line}: there is no image ${row.image} among part B's ` +
              `${table.split === 'train' ? 'training' : 'testing'} images. Unpack the images again or delete the row.`,
          ),
        );
      }
    }
  }
  return grades;
}

/** Compares the sizes in the headers of each mask and its image. @returns a note where pictures state an orientation. */
async function checkSizes(items: readonly DatasetItem[], problems: GmtlError[]): Promise<string[]> {
  const oriented: string[] = [];
  const found = await mapParallel(items, async (item) => {
    const image = await header(item.imagePath, IMAGE);
    if (image instanceof GmtlError) return [image];
    if (image.orientation > 1) oriented.push(item.id);
    const wrong: GmtlError[] = [];
    for (const structure of STRUCTURES) {
      const path = item.maskPaths?.[structure] ?? null;
      if (path === null) continue;
      const mask = await header(path, MASK);
      if (mask instanceof GmtlError) wrong.push(mask);
      else if (mask.width !== image.width || mask.height !== image.height) {
        wrong.push(
          new GmtlError(
            'data/mask-size',
            `The mask ${path} is ${mask.width}x${mask.height}, its image ${item.imagePath} ${image.width}x${image.height}. ` +
              'Take both from the same release of the data set.',
          ),
        );
      }
    }
    return wrong;
  });
  problems.push(...found.flat());
  return oriented.length === 0 ? [] : [orientationNote(oriented.sort())];
}

/** Says that pictures are turned, and what that means for masks. */
function orientationNote(ids: readonly string[]): string {
  const named = `${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ', …' : ''}`;
  return (
    `${ids.length} image(s) state an EXIF orientation (${named}). They are turned as it says, as viewers show them; ` +
    'masks are taken as drawn on that, unless they state an orientation of their own.'
  );
}

async function header(path: string, kind: PictureKind): Promise<PictureHeader | GmtlError> {
  try {
    return await readHeader(path, path, kind);
  } catch (error) {
    if (error instanceof GmtlError) return error;
    throw error;
  }
}
