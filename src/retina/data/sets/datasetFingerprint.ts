/** Identifies a data set by the content of its files, and counts what it holds. */
import { createHash } from 'node:crypto';
import { hashFile } from '../../../engine/node/fileHash.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';
import { type DatasetItem, GRADE_COUNTS, type Structure, STRUCTURES, type Split, type Task } from '../../domain.ts';

/** Starts the hashed text: what is hashed, and how, is part of the fingerprint. */
const FORMAT = 'gmtl-dataset-1';

/** What one split of a data set holds. */
export interface SplitCounts {
  readonly images: number;
  readonly segmentation: number;
  readonly classification: number;
  /** Images per retinopathy grade 0 … 4, whatever their task. */
  readonly retinopathy: readonly number[];
  /** Images per risk of macular edema 0 … 2. */
  readonly edema: readonly number[];
  /** Mask files per structure. */
  readonly masks: Readonly<Record<Structure, number>>;
}

export type DatasetCounts = Readonly<Record<Split, SplitCounts>>;

/** A data set as it was used: one hash for its whole content, and what it held. */
export interface DatasetSummary {
  readonly sha256: string;
  readonly counts: DatasetCounts;
}

/** What an item was when it was used: everything that training can notice of it. */
export interface ItemRecord {
  readonly id: string;
  readonly split: Split;
  readonly task: Task;
  /** SHA-256 of the image's file, then of each structure's mask in the order of `STRUCTURES`; null: no file. Without masks: the image's alone. */
  readonly files: readonly (string | null)[];
  readonly retinopathy: number | null;
  readonly edema: number | null;
}

/**
 * Records the items, in their order.
 *
 * Files that this process hashed already (opening a folder does) are not read again while size and modification time stay.
 *
 * @param onProgress called after each item.
 * @throws GmtlError `data/image-unreadable` naming the file.
 */
export function recordItems(
  items: readonly DatasetItem[],
  onProgress?: (done: number, total: number) => void,
): Promise<ItemRecord[]> {
  let done = 0;
  return mapParallel(items, async ({ id, split, task, imagePath, maskPaths, retinopathy, edema }) => {
    const contents = [imagePath, ...(maskPaths === null ? [] : STRUCTURES.map((structure) => maskPaths[structure]))];
    const files = await Promise.all(contents.map((path) => (path === null ? null : hashFile(path))));
    onProgress?.(++done, items.length);
    return { id, split, task, files, retinopathy, edema };
  });
}

/**
 * One SHA-256, hexadecimal, over the data set as used: each image's id, split, task, file content, mask contents and labels,
 * in the order of the ids. The order of the items and the place of the files do not matter; any changed byte, label or split does.
 */
export function fingerprintOf(records: readonly ItemRecord[]): string {
  const rows = records.map(({ id, split, task, files, retinopathy, edema }) => ({
    id,
    text: JSON.stringify([id, split, task, files, retinopathy, edema]),
  }));
  // By code unit, not by locale: the same order on every machine.
  rows.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return createHash('sha256')
    .update([FORMAT, ...rows.map((row) => row.text), ''].join('\n'))
    .digest('hex');
}

/** {@link fingerprintOf} the items. @throws GmtlError as {@link recordItems}. */
export async function datasetFingerprint(items: readonly DatasetItem[]): Promise<string> {
  return fingerprintOf(await recordItems(items));
}

/** In words, what of each item differs between two records; items in another order are a difference too. */
export function compareRecords(before: readonly ItemRecord[], now: readonly ItemRecord[]): string[] {
  const current = new Map(now.map((record) => [record.id, record]));
  const known = new Set(before.map(({ id }) => id));
  const differences = before.flatMap((was): string[] => {
    const is = current.get(was.id);
    if (is === undefined) return [`${was.id} is missing`];
    const fields = (['split', 'task', 'retinopathy', 'edema'] as const).flatMap((field) =>
      was[field] === is[field] ? [] : [`${was.id}: ${field} was ${was[field] ?? 'none'}, is ${is[field] ?? 'none'}`],
    );
    const names = ['image', ...STRUCTURES.map((structure) => `${structure} mask`)];
    const files = names.flatMap((name, index) =>
      (was.files[index] ?? null) === (is.files[index] ?? null) ? [] : [`${was.id}: the ${name} has another content`],
    );
    return [...fields, ...files];
  });
  differences.push(...now.filter(({ id }) => !known.has(id)).map(({ id }) => `${id} is new`));
  if (differences.length === 0 && before.some(({ id }, index) => now[index].id !== id)) {
    differences.push('the images stand in another order');
  }
  return differences;
}

/** How many images, grades and masks each split holds. */
export function countItems(items: readonly DatasetItem[]): DatasetCounts {
  const count = (split: Split): SplitCounts => {
    const own = items.filter((item) => item.split === split);
    const histogram = (length: number, grade: (item: DatasetItem) => number | null) =>
      Array.from({ length }, (_, value) => own.filter((item) => grade(item) === value).length);
    const masks = (structure: Structure) => own.filter((item) => (item.maskPaths?.[structure] ?? null) !== null).length;
    return {
      images: own.length,
      segmentation: own.filter((item) => item.task === 'segmentation').length,
      classification: own.filter((item) => item.task === 'classification').length,
      retinopathy: histogram(GRADE_COUNTS.retinopathy, (item) => item.retinopathy),
      edema: histogram(GRADE_COUNTS.edema, (item) => item.edema),
      masks: { MA: masks('MA'), HE: masks('HE'), EX: masks('EX'), SE: masks('SE'), OD: masks('OD') },
    };
  };
  return { train: count('train'), val: count('val'), test: count('test') };
}

/** `datasetFingerprint` and `countItems` together: what a run's folder and the report state about its data. */
export async function summarizeDataset(items: readonly DatasetItem[]): Promise<DatasetSummary> {
  return { sha256: await datasetFingerprint(items), counts: countItems(items) };
}
