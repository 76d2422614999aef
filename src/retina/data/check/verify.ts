/** Checks a data set: files, labels, masks, sizes, copies of pictures and leaks between splits. */
import { stat } from 'node:fs/promises';
import { GmtlError } from '../../../engine/errors.ts';
import { compareFingerprints, type Fingerprint } from '../sets/fingerprint.ts';
import { fingerprintFiles } from '../sets/fingerprintFiles.ts';
import { scanIdrid } from '../sets/idrid.ts';
import {
  OFFICIAL_COUNTS,
  OFFICIAL_MASKS,
  type DatasetItem,
  GRADE_COUNTS,
  type Structure,
  STRUCTURES,
  type Split,
} from '../../domain.ts';
import { findFieldOfView } from '../pictures/fov.ts';
import { decodeMask } from '../pictures/mask.ts';
import { judgeCoverage, judgeParts, type MaskCoverage } from './judge.ts';
import { loadMetadata, type MetadataOptions } from '../sets/metadata.ts';
import { mapParallel } from '../../../engine/node/parallel.ts';
import { decodeImage } from '../pictures/preprocess.ts';

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
  /** Root of the cache, where thumbnails are kept; null: none. Default: `cacheRoot()`. */
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
  const entry = await stat(source).catch((cause: unknown) => {
    throw new GmtlError(
      'data/not-found',
      `There is no data set at ${source}. Give a folder in the IDRiD layout or a metadata JSON.`,
      {
        cause,
      },
    );
  });
  const scan = entry.isDirectory()
    ? await scanIdrid(source)
    : { ...(await loadMetadata(source, options.metadata)), problems: [], unused: [] };
  // A list may hold a part of a set on purpose; a folder is taken to be one.
  const problems: GmtlError[] = [...scan.problems, ...(entry.isDirectory() ? judgeParts(scan.items) : [])];
  const known = new Set(problems.map((problem) => problem.message));
  const items = scan.items;
  const fingerprints = await fingerprintFiles(
    items.map((item) => item.imagePath),
    options.cacheFolder,
  );
  const decoded = await decodeAll(items, options.onProgress);
  for (const { errors } of decoded) problems.push(...errors.filter((error) => !known.has(error.message)));
  const coverage = measureCoverage(items, decoded);
  problems.push(...judgeCoverage(coverage));
  const duplicates = findDuplicates(items, fingerprints);
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

interface Decoded {
  /** 0 when the image cannot be decoded. */
  readonly width: number;
  readonly height: number;
  readonly pixels: number;
  readonly foreground: Partial<Record<Structure, number>>;
  readonly errors: readonly GmtlError[];
}

function decodeAll(
  items: readonly DatasetItem[],
  onProgress?: (done: number, total: number) => void,
): Promise<Decoded[]> {
  let done = 0;
  return mapParallel(items, async (item): Promise<Decoded> => {
    const errors: GmtlError[] = [];
    const foreground: Partial<Record<Structure, number>> = {};
    let [width, height] = [0, 0];
    try {
      const image = await decodeImage(item.imagePath);
      ({ width, height } = image);
      // Training crops to the field of view, and refuses a picture without one.
      collect(errors, () => findFieldOfView(image, item.imagePath));
      for (const structure of STRUCTURES) {
        const path = item.maskPaths?.[structure] ?? null;
        if (path === null) continue;
        try {
          foreground[structure] = (await decodeMask(path, { structure, expected: image })).foreground;
        } catch (error) {
          errors.push(asUserError(error));
        }
      }
    } catch (error) {
      errors.push(asUserError(error));
    }
    onProgress?.(++done, items.length);
    return { width, height, pixels: width * height, foreground, errors };
  });
}

/** Runs a check and keeps what it finds. */
function collect(errors: GmtlError[], check: () => void): void {
  try {
    check();
  } catch (error) {
    errors.push(asUserError(error));
  }
}

/** Findings about files are collected; anything else is a bug and goes up. */
function asUserError(error: unknown): GmtlError {
  if (error instanceof GmtlError) return error;
  throw error;
}

function findDuplicates(items: readonly DatasetItem[], fingerprints: readonly Fingerprint[]): DuplicatePair[] {
  const pairs: DuplicatePair[] = [];
  for (let later = 1; later < items.length; later++) {
    for (let earlier = 0; earlier < later; earlier++) {
      const relation = compareFingerprints(fingerprints[earlier], fingerprints[later]);
      if (relation === null) continue;
      const [first, second] = [items[earlier], items[later]];
      pairs.push({ first, second, relation, leak: first.split !== second.split });
    }
  }
  return pairs;
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
        largestShare: Math.max(
          0,
          ...rows.map((row) => (row.pixels === 0 ? 0 : (row.foreground[structure] ?? 0) / row.pixels)),
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
  const sizes = [...found.values()];
  const total = (part: string, width: number, height: number) =>
    sizes
      .filter((size) => size.part === part && size.width === width && size.height === height)
      .reduce((sum, size) => sum + size.items.length, 0);
  return sizes.map((size) => {
    const own = total(size.part, size.width, size.height);
    return {
      ...size,
      odd: sizes.some((other) => other.part === size.part && total(other.part, other.width, other.height) > own),
    };
  });
}

/** Whether a data set may be used: it has images and no leaks and, where `strict`, no problem at all. */
export function passes(result: VerifyResult, strict: boolean): boolean {
  return !result.leaky && result.items.length > 0 && (!strict || result.ok);
}

/** The official counts a split's labels compare with; null for validation, which has none. */
export function officialCounts(split: Split): (typeof OFFICIAL_COUNTS)['train' | 'test'] | null {
  return split === 'val' ? null : OFFICIAL_COUNTS[split];
}
