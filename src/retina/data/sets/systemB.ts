/** Reads and writes the list of entries that System B trains from: no ids, no splits, absolute paths, segmentation entries repeated eight times. */
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../../engine/errors.ts';
import { writeFileAtomic } from '../../../engine/node/atomic.ts';
import { imageKey } from './labels.ts';
import { KeyedRandom, STREAMS } from '../../random.ts';
import { type DatasetItem, GRADE_COUNTS, type Structure, STRUCTURES, type Split, type Task } from '../../domain.ts';

const optionalPath = z.string().min(1).nullish();
const optionalGrade = (grades: number) =>
  z
    .union([
      z
        .int()
        .min(0)
        .max(grades - 1),
      z.literal(-1),
    ])
    .nullish();

/** Unknown fields are refused: a misspelt one would otherwise be ignored in silence. */
const entrySchema = z
  .strictObject({
    image_path: z.string().min(1),
    task: z.enum(['seg', 'cls', 'segmentation', 'classification']),
    task_vector: z.tuple([z.literal([0, 1]), z.literal([0, 1])]).optional(),
    mask_paths: z
      .strictObject({ MA: optionalPath, HE: optionalPath, EX: optionalPath, SE: optionalPath, OD: optionalPath })
      .nullish(),
    retino_label: optionalGrade(GRADE_COUNTS.retinopathy),
    edema_label: optionalGrade(GRADE_COUNTS.edema),
  })
  .superRefine((entry, context) => {
    const task = taskOf(entry.task);
    const expected = task === 'segmentation' ? [1, 0] : [0, 1];
    if (entry.task_vector !== undefined && entry.task_vector.join() !== expected.join()) {
      const message = `is [${entry.task_vector}], but the task is ${entry.task}: expected [${expected}]`;
      context.addIssue({ code: 'custom', path: ['task_vector'], message });
    }
    if (
      task === 'classification' &&
      statedGrade(entry.retino_label) === null &&
      statedGrade(entry.edema_label) === null
    ) {
      context.addIssue({ code: 'custom', path: ['retino_label'], message: 'a classification entry needs a grade' });
    }
    if (task === 'segmentation' && !STRUCTURES.some((structure) => entry.mask_paths?.[structure] != null)) {
      context.addIssue({ code: 'custom', path: ['mask_paths'], message: 'a segmentation entry needs a mask' });
    }
  });

/** An entry as System B writes it: segmentation entries have no grades, classification entries no masks. */
export type SystemBEntry = z.infer<typeof entrySchema>;

const taskOf = (task: SystemBEntry['task']): Task =>
  task === 'seg' || task === 'segmentation' ? 'segmentation' : 'classification';
const statedGrade = (grade: number | null | undefined) => (grade === undefined || grade === -1 ? null : grade);

/** True when a list's first row can only be System B's: an image path, and neither id nor split. */
export function looksLikeSystemB(content: readonly unknown[]): boolean {
  const first = content[0];
  return (
    typeof first === 'object' && first !== null && 'image_path' in first && !('id' in first) && !('split' in first)
  );
}

export interface SystemBOptions {
  /** The file's folder: relative paths start there. */
  readonly folder: string;
  /** A folder with the images: paths that do not exist are looked for in it by their last parts. */
  readonly images?: string;
  /** The split of every entry. Default: from the path ("a. Training Set", "b. Testing Set"), else training. */
  readonly split?: Split;
}

export interface SystemBItems {
  readonly items: DatasetItem[];
  readonly notes: string[];
}

/**
 * Items from System B's entries. An entry's id, part and split come from its path in the official layout
 * (`…/A. Segmentation/…/a. Training Set/IDRiD_01.jpg` is `A/train/IDRiD_01`, as reading the folder names it), elsewhere from
 * its task and file name. Repeated entries become one item: the sampler balances the tasks instead.
 *
 * @throws GmtlError `data/metadata-row` (row number, field and reason), `data/metadata-duplicate` (entries of one image that
 *   differ, or two images with one id).
 */
export async function systemBItems(
  file: string,
  content: readonly unknown[],
  options: SystemBOptions,
): Promise<SystemBItems> {
  const found = new Map<string, { item: DatasetItem; text: string; row: number; times: number }>();
  for (const [index, row] of content.entries()) {
    const parsed = entrySchema.safeParse(row);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const where = issue.path.join('.') || 'row';
      throw new GmtlError(
        'data/metadata-row',
        `${file}, row ${index + 1}, ${where}: ${issue.message}. The list is read as System B's, as its first row has no id and no split; correct the row.`,
      );
    }
    const item = await toItem(parsed.data, options);
    const text = JSON.stringify(item);
    const earlier = found.get(item.id);
    if (earlier === undefined) found.set(item.id, { item, text, row: index, times: 1 });
    else if (earlier.text === text) earlier.times++;
    else {
      throw new GmtlError(
        'data/metadata-duplicate',
        `${file}, row ${index + 1}: ${item.imagePath} has the id "${item.id}", as row ${earlier.row + 1} has (${earlier.item.imagePath}), but the two rows differ. ` +
          'Keep one of them, or give the images different names.',
      );
    }
  }
  const entries = [...found.values()];
  const notes: string[] = [];
  const repeated = entries.filter((entry) => entry.times > 1);
  if (repeated.length > 0) {
    const spare = content.length - entries.length;
    notes.push(
      `${file}: ${spare} repeated entries of ${repeated.length} image(s) were collapsed to one each (up to ${Math.max(...repeated.map(({ times }) => times))} times); the sampler balances the tasks.`,
    );
  }
  return { items: entries.map((entry) => entry.item), notes };
}

async function toItem(entry: SystemBEntry, options: SystemBOptions): Promise<DatasetItem> {
  const task = taskOf(entry.task);
  const place = placeOf(entry.image_path);
  const part = place.part ?? (task === 'segmentation' ? 'A' : 'B');
  const split = options.split ?? place.split ?? 'train';
  const masks = entry.mask_paths ?? null;
  const mask = async (structure: Structure) => (masks?.[structure] ? locate(masks[structure], options) : null);
  return {
    id: `${part}/${split}/${place.stem}`,
    part,
    split,
    task,
    imagePath: await locate(entry.image_path, options),
    maskPaths:
      task === 'segmentation' || STRUCTURES.some((structure) => masks?.[structure])
        ? {
            MA: await mask('MA'),
            HE: await mask('HE'),
            EX: await mask('EX'),
            SE: await mask('SE'),
            OD: await mask('OD'),
          }
        : null,
    retinopathy: statedGrade(entry.retino_label) ?? null,
    edema: statedGrade(entry.edema_label) ?? null,
  };
}

/** The parts of a path written on any system. */
const partsOf = (path: string) => path.split(/[\\/]+/);

function placeOf(path: string): { part: 'A' | 'B' | null; split: 'train' | 'test' | null; stem: string } {
  const parts = partsOf(path);
  const folders = parts.slice(0, -1).reverse();
  const name = parts[parts.length - 1];
  // The official folders' whole names only: a "trained" or "latest" further up does not name a split.
  const set = folders.find((folder) => /^(a\. |b\. )?(training|testing) set$/i.test(folder));
  const top = folders.find((folder) => /^(a\. ?segmentation|b\. ?disease grading)$/i.test(folder));
  return {
    part: top === undefined ? null : /segmentation/i.test(top) ? 'A' : 'B',
    split: set === undefined ? null : /training/i.test(set) ? 'train' : 'test',
    stem: name.slice(0, imageKey(name).length),
  };
}

/** The file itself, or the file under `images` that shares the longest tail of the path; unchanged when there is neither. */
async function locate(path: string, { folder, images }: SystemBOptions): Promise<string> {
  const parts = partsOf(path);
  const direct = resolve(folder, process.platform === 'win32' ? path : path.replaceAll('\\', '/'));
  if (images === undefined || (await exists(direct))) return direct;
  for (let start = 0; start < parts.length; start++) {
    const candidate = resolve(join(images, ...parts.slice(start)));
    if (await exists(candidate)) return candidate;
  }
  return direct;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export interface SystemBListOptions {
  /** How often each segmentation entry stands in the list; System B used 8. Default 8. */
  readonly oversample?: number;
  /** Seed of the order. Default 0. */
  readonly seed?: number;
}

/**
 * Writes the training split as System B's balanced list: absolute paths, `task` "seg" or "cls", segmentation entries repeated,
 * all in a seeded shuffled order, atomically. Other splits never go in: drawing a test part from a list with repeats, as System B
 * does, puts copies of its images on both sides.
 *
 * @returns the number of entries of each task.
 * @throws GmtlError `data/system-b` when `oversample` is not a whole number from 1 on or there are no training images.
 */
export async function writeSystemB(
  file: string,
  items: readonly DatasetItem[],
  options: SystemBListOptions = {},
): Promise<{ readonly segmentation: number; readonly classification: number }> {
  const { oversample = 8, seed = 0 } = options;
  if (!Number.isInteger(oversample) || oversample < 1) {
    throw new GmtlError('data/system-b', `Oversampling ${oversample} times: give a whole number from 1 on.`);
  }
  const train = items.filter((item) => item.split === 'train');
  if (train.length === 0) throw new GmtlError('data/system-b', 'There is no training image to write into the list.');
  const entries = train.flatMap((item) => {
    const copies = item.task === 'segmentation' ? oversample : 1;
    return Array.from({ length: copies }, () => toEntry(item));
  });
  const order = new KeyedRandom(seed, STREAMS.list).permutation(entries.length);
  await writeFileAtomic(
    file,
    `${JSON.stringify(
      Array.from(order, (index) => entries[index]),
      null,
      2,
    )}\n`,
  );
  const segmentation = entries.filter((entry) => entry.task === 'seg').length;
  return { segmentation, classification: entries.length - segmentation };
}

function toEntry(item: DatasetItem): SystemBEntry {
  const { maskPaths, retinopathy, edema } = item;
  return {
    image_path: resolve(item.imagePath),
    task: item.task === 'segmentation' ? 'seg' : 'cls',
    task_vector: item.task === 'segmentation' ? [1, 0] : [0, 1],
    ...(maskPaths === null ? {} : { mask_paths: { ...maskPaths } }),
    ...(retinopathy === null ? {} : { retino_label: retinopathy }),
    ...(edema === null ? {} : { edema_label: edema }),
  };
}
