import { access, readFile } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { type Dataset, type DatasetItem, EDEMA_GRADES, RETINO_GRADES } from './types.ts';

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
      .max(RETINO_GRADES - 1)
      .nullable(),
    edema_label: z
      .int()
      .min(0)
      .max(EDEMA_GRADES - 1)
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
      retino_label: item.retino,
      edema_label: item.edema,
    };
  });
  await writeFileAtomic(file, `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`);
}

/**
 * Reads a metadata JSON and checks every row.
 *
 * @throws GmtlError `data/metadata-unreadable`, `data/metadata-json`, `data/metadata-row` (row number, id, field and reason),
 *   `data/metadata-duplicate`, `data/metadata-missing-file`.
 */
export async function loadMetadata(file: string): Promise<Dataset> {
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
      `${file} is no valid JSON: ${reason}. Write it again with "gmtl data prepare".`,
      { cause },
    );
  }
  if (!Array.isArray(content) || content.length === 0) {
    throw new GmtlError(
      'data/metadata-row',
      `${file} must hold a non-empty list of rows. Write it with "gmtl data prepare".`,
    );
  }
  const folder = dirname(resolve(file));
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
        `${file}, row ${index + 1}: the id "${item.id}" stands in row ${earlier + 1} already. Keep one row an image; the sampler balances the tasks.`,
      );
    }
    seen.set(item.id, index);
    items.push(item);
  }
  await checkFiles(file, items);
  return { source: file, items, notes: [] };
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
      row.task === 'segmentation' ? { MA: mask(MA), HE: mask(HE), EX: mask(EX), SE: mask(SE), OD: mask(OD) } : null,
    retino: row.retino_label,
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

async function checkFiles(file: string, items: readonly DatasetItem[]): Promise<void> {
  for (const [index, item] of items.entries()) {
    for (const path of [item.imagePath, ...Object.values(item.maskPaths ?? {})]) {
      if (path === null) continue;
      await access(path).catch(() => {
        throw new GmtlError(
          'data/metadata-missing-file',
          `${file}, row ${index + 1} (${item.id}): there is no file ${path}. Paths are relative to the metadata file: move it back beside the images, ` +
            'or write it again with "gmtl data prepare".',
        );
      });
    }
  }
}
