/** Checks a data set: files, labels, masks, sizes, copies of pictures and leaks between splits. */
import type { GmtlError } from '../../../engine/errors.ts';
import { cacheRoot } from '../../../engine/node/cacheFolder.ts';
import { fingerprintFile } from '../sets/fingerprintFiles.ts';
import { type SamePair, samePairs } from '../sets/samePictures.ts';
import { scanIdrid } from '../sets/idrid.ts';
import {
  OFFICIAL_COUNTS,
  OFFICIAL_MASKS,
  type DatasetItem,
  GRADE_COUNTS,
  STRUCTURES,
  type Split,
} from '../../domain.ts';
import { type Decoded, decodeItem } from './decodeItem.ts';
import { judgeCoverage, judgeParts, type MaskCoverage } from './judge.ts';
import { isDataFolder, loadMetadata, type MetadataOptions } from '../sets/metadata.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';

/** Two images that show the same picture. */
export interface DuplicatePair {
  readonly first: DatasetItem;
  readonly second: DatasetItem;
  readonly relation: 'identical' | 'similar';
  /** They stand in different splits: what was trained on is measured on. */
  readonly leak: boolean;
}

/** Images per split and part, and per grade. */
export interface LabelCounts {
  readonly split: Split;
  readonly images: number;
  readonly retinopathy: readonly number[];
  readonly edema: readonly number[];
  /** Images with retinopathy grade 0 or 1 but an edema risk: official IDRiD has none, so these may be slips. */
  readonly unlikely: readonly DatasetItem[];
}

/** How many images of a part and split have a size. */
export interface SizeCount {
  readonly part: string;
  readonly split: Split;
  readonly width: number;
  readonly height: number;
  readonly items: readonly DatasetItem[];
  /** Another size is more frequent in this part. */
  readonly odd: boolean;
}

export interface VerifyResult {
  readonly source: string;
  readonly items: readonly DatasetItem[];
  readonly problems: readonly GmtlError[];
  readonly unused: readonly { readonly path: string; readonly reason: string }[];
  readonly duplicates: readonly DuplicatePair[];
  readonly labels: readonly LabelCounts[];
  readonly coverage: readonly MaskCoverage[];
  readonly sizes: readonly SizeCount[];
  /** Notes from reading the source (repeated entries collapsed, no testing images). */
  readonly notes: readonly string[];
  /** Some picture stands in two splits: what is measured on them is worthless. */
  readonly leaky: boolean;
  /** No problems and no leaks. */
  readonly ok: boolean;
}

export interface VerifyOptions {
  /** Root of the cache, where what was found out about files is kept; null: none. Default: `cacheRoot()`. */
  readonly cacheFolder?: string | null;
  /** For a list in System B's form. */
  readonly metadata?: MetadataOptions;
  /** Called after each image is decoded. */
  readonly onProgress?: (done: number, total: number) => void;
}

const SPLITS = ['train', 'val', 'test'] as const satisfies readonly Split[];

/**
 * Checks a data set (folder or metadata JSON) through and through: layout and labels, every image and mask decoded, copies of
 * the same picture, leaks between splits, and everything that training will require of them.
 *
 * @throws GmtlError only when the source cannot be read at all; findings are in the result.
 */
export async function verifyDataset(source: string, options: VerifyOptions = {}): Promise<VerifyResult> {
  const isFolder = await isDataFolder(source, options.metadata);
  const scan = isFolder
    ? await scanIdrid(source)
    : { ...(await loadMetadata(source, options.metadata)), problems: [], unused: [] };
  // A list may hold a part of a set on purpose; a folder is taken to be one.
  const problems: GmtlError[] = [...scan.problems, ...(isFolder ? judgeParts(scan.items) : [])];
  const known = new Set(problems.map((problem) => problem.message));
  const items = scan.items;
  const { cacheFolder = cacheRoot(), onProgress } = options;
  let done = 0;
  const looked = await mapParallel(items, async (item) => {
    const print = await fingerprintFile(item.imagePath, cacheFolder);
    const decoded = await decodeItem(item, print.sha256, cacheFolder);
    onProgress?.(++done, items.length);
    return { print, decoded };
  });
  const decoded = looked.map((one) => one.decoded);
  for (const { errors } of decoded) problems.push(...errors.filter((error) => !known.has(error.message)));
  const coverage = measureCoverage(items, decoded);
  problems.push(...judgeCoverage(coverage));
  const pairs = samePairs(looked.map(({ print }) => print));
  const duplicates = pairs.map((pair) => duplicateOf(items, pair));
  const leaky = duplicates.some((pair) => pair.leak);
  return {
    source,
    items,
    problems,
    unused: scan.unused,
    duplicates,
    labels: countLabels(items),
    coverage,
    sizes: countSizes(items, decoded),
    notes: scan.notes,
    leaky,
    ok: problems.length === 0 && !leaky,
  };
}

function duplicateOf(items: readonly DatasetItem[], { earlier, later, relation }: SamePair): DuplicatePair {
  const [first, second] = [items[earlier], items[later]];
  return { first, second, relation, leak: first.split !== second.split };
}

function countLabels(items: readonly DatasetItem[]): LabelCounts[] {
  return SPLITS.flatMap((split): LabelCounts[] => {
    const graded = items.filter((item) => item.split === split && item.task === 'classification');
    if (graded.length === 0) return [];
    const count = (grades: number, pick: (item: DatasetItem) => number | null) =>
      Array.from({ length: grades }, (_, grade) => graded.filter((item) => pick(item) === grade).length);
    return [
      {
        split,
        images: graded.length,
        retinopathy: count(GRADE_COUNTS.retinopathy, (item) => item.retinopathy),
        edema: count(GRADE_COUNTS.edema, (item) => item.edema),
        unlikely: graded.filter((item) => item.retinopathy !== null && item.retinopathy < 2 && (item.edema ?? 0) > 0),
      },
    ];
  });
}

function measureCoverage(items: readonly DatasetItem[], decoded: readonly Decoded[]): MaskCoverage[] {
  return SPLITS.flatMap((split) => {
    const rows = items.flatMap((item, index) =>
      item.split === split && item.maskPaths !== null ? [{ item, ...decoded[index] }] : [],
    );
    if (rows.length === 0) return [];
    return STRUCTURES.map((structure): MaskCoverage => {
      const pixels = rows.reduce((sum, row) => sum + row.pixels, 0);
      const marked = rows.reduce((sum, row) => sum + (row.foreground[structure] ?? 0), 0);
      return {
        split,
        structure,
        images: rows.length,
        files: rows.filter((row) => row.item.maskPaths?.[structure] != null).length,
        official: split === 'val' ? null : OFFICIAL_MASKS[split][structure],
        empty: rows.filter((row) => row.foreground[structure] === 0).length,
        pixels: marked,
        share: pixels === 0 ? 0 : marked / pixels,
        largestShare: rows.reduce(
          (most, row) => Math.max(most, row.pixels === 0 ? 0 : (row.foreground[structure] ?? 0) / row.pixels),
          0,
        ),
      };
    });
  });
}

function countSizes(items: readonly DatasetItem[], decoded: readonly Decoded[]): SizeCount[] {
  const found = new Map<string, { part: string; split: Split; width: number; height: number; items: DatasetItem[] }>();
  for (const [index, item] of items.entries()) {
    const { width, height } = decoded[index];
    if (width === 0) continue;
    const key = JSON.stringify([item.part, item.split, width, height]);
    const known = found.get(key);
    if (known === undefined) found.set(key, { part: item.part, split: item.split, width, height, items: [item] });
    else known.items.push(item);
  }
  // How often a part has a size, over its splits, and how often it has its most frequent one.
  const totals = new Map<string, number>();
  const mosts = new Map<string, number>();
  const sizes = [...found.values()];
  const sizeKey = ({ part, width, height }: (typeof sizes)[number]): string => JSON.stringify([part, width, height]);
  for (const size of sizes) {
    const total = (totals.get(sizeKey(size)) ?? 0) + size.items.length;
    totals.set(sizeKey(size), total);
    mosts.set(size.part, Math.max(total, mosts.get(size.part) ?? 0));
  }
  return sizes.map((size) => ({
    ...size,
    odd: (mosts.get(size.part) as number) > (totals.get(sizeKey(size)) as number),
  }));
}

/** Whether a data set is as it should be: it has images, no leaks and no problem. */
export function passes(result: VerifyResult): boolean {
  return !result.leaky && result.items.length > 0 && result.ok;
}

/** The official counts a split's labels compare with; null for validation, which has none. */
export function officialCounts(split: Split): (typeof OFFICIAL_COUNTS)['train' | 'test'] | null {
  return split === 'val' ? null : OFFICIAL_COUNTS[split];
}
