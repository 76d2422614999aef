import { stat } from 'node:fs/promises';
import { GmtlError } from '../errors.ts';
import { defaultCacheFolder } from './cachefolder.ts';
import { compareFingerprints, type Fingerprint, fingerprintFiles } from './fingerprint.ts';
import { scanIdrid } from './idrid.ts';
import { OFFICIAL_COUNTS } from './labels.ts';
import { decodeMask } from './mask.ts';
import { loadMetadata } from './metadata.ts';
import { mapParallel } from './parallel.ts';
import { decodeImage } from './preprocess.ts';
import { type DatasetItem, EDEMA_GRADES, type Lesion, LESIONS, RETINO_GRADES, type Split } from './types.ts';

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
  readonly retino: readonly number[];
  readonly edema: readonly number[];
  /** Images with retinopathy grade 0 or 1 but an edema risk: official IDRiD has none, so these may be slips. */
  readonly unlikely: readonly DatasetItem[];
}

/** How much of the frames a structure's masks mark. */
export interface MaskCoverage {
  readonly split: Split;
  readonly lesion: Lesion;
  readonly images: number;
  readonly files: number;
  /** Mask files without a foreground pixel. */
  readonly empty: number;
  /** Foreground share over all frames of the split, absent files counted as empty. */
  readonly share: number;
  /** The fullest mask's share of its frame. */
  readonly largestShare: number;
}

export interface VerifyResult {
  readonly source: string;
  readonly items: readonly DatasetItem[];
  readonly problems: readonly GmtlError[];
  readonly unused: readonly { readonly path: string; readonly reason: string }[];
  readonly duplicates: readonly DuplicatePair[];
  readonly labels: readonly LabelCounts[];
  readonly coverage: readonly MaskCoverage[];
  /** No problems and no leaks. */
  readonly ok: boolean;
}

export interface VerifyOptions {
  /** Folder for thumbnails; null: none. Default: `defaultCacheFolder()`. */
  readonly cacheFolder?: string | null;
  /** Called after each image is decoded. */
  readonly onProgress?: (done: number, total: number) => void;
}

const SPLITS = ['train', 'val', 'test'] as const satisfies readonly Split[];

/**
 * Checks a data set (folder or metadata JSON) through and through: layout and labels, every image and mask decoded, copies of
 * the same picture, leaks between splits.
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
    : { items: [...(await loadMetadata(source)).items], problems: [], unused: [] };
  const problems: GmtlError[] = [...scan.problems];
  const known = new Set(problems.map((problem) => problem.message));
  const items = scan.items;
  const fingerprints = await fingerprintFiles(
    items.map((item) => item.imagePath),
    options.cacheFolder === undefined ? defaultCacheFolder() : options.cacheFolder,
  );
  const decoded = await decodeAll(items, options.onProgress);
  for (const { errors } of decoded) problems.push(...errors.filter((error) => !known.has(error.message)));
  const duplicates = findDuplicates(items, fingerprints);
  return {
    source,
    items,
    problems,
    unused: scan.unused,
    duplicates,
    labels: countLabels(items),
    coverage: measureCoverage(items, decoded),
    ok: problems.length === 0 && !duplicates.some((pair) => pair.leak),
  };
}

interface Decoded {
  readonly pixels: number;
  readonly foreground: Partial<Record<Lesion, number>>;
  readonly errors: readonly GmtlError[];
}

function decodeAll(
  items: readonly DatasetItem[],
  onProgress?: (done: number, total: number) => void,
): Promise<Decoded[]> {
  let done = 0;
  return mapParallel(items, async (item): Promise<Decoded> => {
    const errors: GmtlError[] = [];
    const foreground: Partial<Record<Lesion, number>> = {};
    let pixels = 0;
    try {
      const image = await decodeImage(item.imagePath);
      pixels = image.width * image.height;
      for (const lesion of LESIONS) {
        const path = item.maskPaths?.[lesion] ?? null;
        if (path === null) continue;
        try {
          foreground[lesion] = (await decodeMask(path, { lesion, expected: image })).foreground;
        } catch (error) {
          errors.push(asUserError(error));
        }
      }
    } catch (error) {
      errors.push(asUserError(error));
    }
    onProgress?.(++done, items.length);
    return { pixels, foreground, errors };
  });
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
        retino: count(RETINO_GRADES, (item) => item.retino),
        edema: count(EDEMA_GRADES, (item) => item.edema),
        unlikely: graded.filter((item) => item.retino !== null && item.retino < 2 && (item.edema ?? 0) > 0),
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
    return LESIONS.map((lesion): MaskCoverage => {
      const pixels = rows.reduce((sum, row) => sum + row.pixels, 0);
      const marked = rows.reduce((sum, row) => sum + (row.foreground[lesion] ?? 0), 0);
      return {
        split,
        lesion,
        images: rows.length,
        files: rows.filter((row) => row.item.maskPaths?.[lesion] != null).length,
        empty: rows.filter((row) => row.foreground[lesion] === 0).length,
        share: pixels === 0 ? 0 : marked / pixels,
        largestShare: Math.max(
          0,
          ...rows.map((row) => (row.pixels === 0 ? 0 : (row.foreground[lesion] ?? 0) / row.pixels)),
        ),
      };
    });
  });
}

/** The official counts a split's labels compare with; validation has none. */
export function officialCounts(split: Split): (typeof OFFICIAL_COUNTS)['train' | 'test'] | null {
  return split === 'val' ? null : OFFICIAL_COUNTS[split];
}
