/** Reads and writes a data set as a list in JSON. */
import { access, readFile, stat } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../../engine/errors.ts';
import { writeFileAtomic } from '../../../engine/node/atomic.ts';
import { looksLikeSystemB, systemBItems } from './systemB.ts';
import { type Dataset, type DatasetItem, GRADE_COUNTS, STRUCTURES } from '../../domain.ts';

const maskPath = z.string().min(1).nullable();

/** One row of a metadata file. Unknown fields are refused: a misspelt one would otherwise be ignored in silence. */
const rowSchema = z
  .strictObject({
    id: z.string().min(1),
    part: z.string().min(1),
    split: z.enum(['train', 'val', 'test']),
    image_path: z.string().min(1),
    task: z.enum(['segmentation', 'classification']),
    /** [1, 0] segmentation, [0, 1] classification: the gate's target. */
    task_vector: z.tuple([z.literal([0, 1]), z.literal([0, 1])]),
    mask_paths: z.strictObject({ MA: maskPath, HE: maskPath, EX: maskPath, SE: maskPath, OD: maskPath }),
    retino_label: z
      .int()
      .min(0)
      .max(GRADE_COUNTS.retinopathy - 1)
      .nullable(),
    edema_label: z
      .int()
      .min(0)
      .max(GRADE_COUNTS.edema - 1)
      .nullable(),
  })
  .superRefine((row, context) => {
    const segmentation = row.task === 'segmentation';
    if (row.task_vector[0] !== (segmentation ? 1 : 0) || row.task_vector[1] !== (segmentation ? 0 : 1)) {
      context.addIssue({
        code: 'custom',
        path: ['task_vector'],
        message: `is [${row.task_vector}], but the task is ${row.task}: expected [${segmentation ? '1,0' : '0,1'}]`,
      });
    }
    if (!segmentation && row.retino_label === null && row.edema_label === null) {
      context.addIssue({ code: 'custom', path: ['retino_label'], message: 'a classification row needs a grade' });
    }
  });

/** A row of a metadata file: paths relative to the file's folder, with forward slashes. */
export type MetadataRow = z.infer<typeof rowSchema>;

/** Writes a data set as a metadata JSON: a list of rows, atomically. Paths become relative to the file's folder. */
export async function writeMetadata(file: string, items: readonly DatasetItem[]): Promise<void> {
  const folder = dirname(resolve(file));
  const toRelative = (path: string) => relative(folder, path).split(sep).join('/');
  const rows = items.map((item): MetadataRow => {
    const mask = (path: string | null | undefined) => (path ? toRelative(path) : null);
    const masks = item.maskPaths;
    return {
      id: item.id,
      part: item.part,
      split: item.split,
      image_path: toRelative(item.imagePath),
      task: item.task,
      task_vector: item.task === 'segmentation' ? [1, 0] : [0, 1],
      mask_paths: {
        MA: mask(masks?.MA),
        HE: mask(masks?.HE),
        EX: mask(masks?.EX),
        SE: mask(masks?.SE),
        OD: mask(masks?.OD),
      },
      retino_label: item.retinopathy,
      edema_label: item.edema,
    };
  });
  await writeFileAtomic(file, `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`);
}

/** A data set read from a list. */
export interface Metadata extends Dataset {
  /** False for a list in System B's form: it has no validation split, so one has to be carved. */
  readonly splitsFixed: boolean;
}

/** For lists in System B's form; a file written by `gmtl data prepare` needs none of them. */
export interface MetadataOptions {
  /** A folder with the images: paths that do not exist (of another machine) are looked for in it by their last parts. */
  readonly images?: string;
  /** A second list in System B's form: all its entries are the testing split. */
  readonly test?: string;
  /** What to do where a file is missing, in words. Default: move or write the list again. */
  readonly whereElse?: string;
}

/**
 * Whether a data set is a folder, and not a list.
 *
 * @throws GmtlError `data/not-found` where there is none, `data/metadata-test` for a folder with what only lists in System B's form have a use for.
 */
export async function isDataFolder(source: string, { images, test }: MetadataOptions = {}): Promise<boolean> {
  const entry = await stat(source).catch((cause: unknown) => {
    throw new GmtlError(
      'data/not-found',
      `There is no data set at ${source}. Give a folder in the IDRiD layout or a metadata JSON.`,
      { cause },
    );
  });
  const given = images ?? test;
  if (!entry.isDirectory() || given === undefined) return entry.isDirectory();
  throw new GmtlError(
    'data/metadata-test',
    `${source} is a folder, which holds its images and their splits: leave ${given} out. It goes with a list in System B's form.`,
  );
}

/**
 * Reads a metadata JSON and checks every row: a file of `gmtl data prepare`, or a list of entries as System B writes it
 * (`image_path`, `task` "seg" or "cls", `task_vector`, `mask_paths`, `retino_label`, `edema_label`; neither ids nor splits; entries
 * repeated to balance the tasks, see `systemBItems`).
 *
 * @throws GmtlError `data/metadata-unreadable`, `data/metadata-json`, `data/metadata-row` (row number, id, field and reason),
 *   `data/metadata-duplicate`, `data/metadata-missing-file`, `data/metadata-test` (a second list, or a folder of images, where none can be used).
 */
export async function loadMetadata(file: string, options: MetadataOptions = {}): Promise<Metadata> {
  const content = await readList(file);
  const folder = dirname(resolve(file));
  const { images, test } = options;
  if (looksLikeSystemB(content)) {
    const own = await systemBItems(file, content, { folder, images });
    const items = [...own.items];
    const notes = [...own.notes];
    if (test !== undefined) {
      const rows = await readList(test);
      const held = await systemBItems(test, rows, { folder: dirname(resolve(test)), images, split: 'test' });
      const clash = held.items.find((item) => own.items.some(({ id }) => id === item.id));
      if (clash !== undefined) {
        throw new GmtlError(
          'data/metadata-test',
          `${clash.id} stands in ${file} and in ${test} as a testing image. Take it out of one of them.`,
        );
      }
      items.push(...held.items);
      notes.push(...held.notes);
    }
    if (!items.some((item) => item.split === 'test')) {
      notes.push(
        `${file} has no testing images: evaluate on validation, or name a second list with the testing images.`,
      );
    }
    await checkFiles(file, items);
    return { source: file, items, notes, splitsFixed: false };
  }
  if (test !== undefined) {
    throw new GmtlError('data/metadata-test', `${file} names its own testing images: leave ${test} out.`);
  }
  if (images !== undefined) {
    throw new GmtlError('data/metadata-test', `${file} says where each image is: leave ${images} out.`);
  }
  const items: DatasetItem[] = [];
  const seen = new Map<string, number>();
  for (const [index, entry] of content.entries()) {
    const parsed = rowSchema.safeParse(entry);
    if (!parsed.success) throw rowError(file, index, entry, parsed.error);
    const item = toItem(parsed.data, folder);
    const earlier = seen.get(item.id);
    if (earlier !== undefined) {
      throw new GmtlError(
        'data/metadata-duplicate',
        `${file}, row ${index + 1}: the id "${item.id}" stands in row ${earlier + 1} already. Keep one row per image; the sampler balances the tasks.`,
      );
    }
    seen.set(item.id, index);
    items.push(item);
  }
  await checkFiles(file, items, options.whereElse);
  return { source: file, items, notes: [], splitsFixed: true };
}

/** The rows of a JSON list. */
async function readList(file: string): Promise<unknown[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError('data/metadata-unreadable', `Cannot read the metadata file ${file}: ${reason}.`, { cause });
  });
  let content: unknown;
  try {
    content = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError(
      'data/metadata-json',
      `${file} is not valid JSON: ${reason}. Write it again with "gmtl data prepare".`,
      { cause },
    );
  }
  if (!Array.isArray(content) || content.length === 0) {
    throw new GmtlError(
      'data/metadata-row',
      `${file} must hold a non-empty list of rows. Write it with "gmtl data prepare".`,
    );
  }
  return content;
}

function toItem(row: MetadataRow, folder: string): DatasetItem {
  const mask = (path: string | null) => (path === null ? null : resolve(folder, path));
  const { MA, HE, EX, SE, OD } = row.mask_paths;
  return {
    id: row.id,
    part: row.part,
    split: row.split,
    task: row.task,
    imagePath: resolve(folder, row.image_path),
    maskPaths:
      row.task === 'segmentation' || STRUCTURES.some((structure) => row.mask_paths[structure] !== null)
        ? { MA: mask(MA), HE: mask(HE), EX: mask(EX), SE: mask(SE), OD: mask(OD) }
        : null,
    retinopathy: row.retino_label,
    edema: row.edema_label,
  };
}

function rowError(file: string, index: number, entry: unknown, error: z.ZodError): GmtlError {
  const id = typeof entry === 'object' && entry !== null && 'id' in entry ? ` (${String(entry.id)})` : '';
  const issue = error.issues[0];
  const where = issue.path.join('.') || 'row';
  return new GmtlError(
    'data/metadata-row',
    `${file}, row ${index + 1}${id}, ${where}: ${issue.message}. Correct the row, or write the file again with "gmtl data prepare".`,
  );
}

async function checkFiles(
  file: string,
  items: readonly DatasetItem[],
  whereElse = "Relative paths start at the metadata file's folder: move it back beside the images, " +
    'write it again with "gmtl data prepare", or (for a list of System B) name the folder with the images.',
): Promise<void> {
  for (const [index, item] of items.entries()) {
    for (const path of [item.imagePath, ...Object.values(item.maskPaths ?? {})]) {
      if (path === null) continue;
      await access(path).catch(() => {
        throw new GmtlError(
          'data/metadata-missing-file',
          `${file}, row ${index + 1} (${item.id}): there is no file ${path}. ${whereElse}`,
        );
      });
    }
  }
}
