/** Opens a data set: reads it, splits it and joins its labels. */
import { fingerprintFiles } from './fingerprintFiles.ts';
import { scanSoundIdrid } from './idrid.ts';
import { assignFolds } from './folds.ts';
import { joinLabels } from './join.ts';
import { isDataFolder, loadMetadata, type Metadata, type MetadataOptions } from './metadata.ts';
import { type OtherLayout, readOtherLayout } from './otherSets.ts';
import { carveValidation, DEFAULT_SPLIT, type SplitOptions, type SplitResult } from './split.ts';
import type { Dataset } from '../../domain.ts';

export interface OpenOptions extends Partial<SplitOptions> {
  /** Root of the cache, where thumbnails for comparing images are kept; null keeps none. Default: `cacheRoot()`. */
  readonly cacheFolder?: string | null;
  /** Give copies of one picture within a split the labels of both (see `joinLabels`). Default false. */
  readonly joinLabels?: boolean;
  /** Deal the training split into this many folds (see `assignFolds`); null or absent: carve `valFraction` instead. */
  readonly folds?: number | null;
  /** Which fold validates, 0 … folds − 1. Default 0; only with `folds`. */
  readonly fold?: number;
  /** Called after each image is looked at; not called where splits are fixed and no labels are joined. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** For a list in System B's form, as `loadMetadata` takes them. */
  readonly metadata?: MetadataOptions;
  /** How a folder is laid out. Default: as IDRiD. */
  readonly layout?: OtherLayout | undefined;
}

/**
 * Opens a folder in the official IDRiD layout, a metadata JSON written by `gmtl data prepare`, or a list of entries as System B
 * writes it (see `loadMetadata`).
 *
 * A folder, and a list without a validation split, gets a validation split carved from its training images (see
 * `carveValidation`). A metadata file is taken as it stands: its splits were fixed when it was written. With `folds` its training
 * and validation images are dealt anew.
 *
 * @throws GmtlError `data/not-found` and whatever `readIdrid`, `loadMetadata`, `carveValidation`, `assignFolds` and `joinLabels` throw.
 */
export async function openDataset(source: string, options: OpenOptions = {}): Promise<Dataset> {
  const read: Metadata = (await isDataFolder(source, options.metadata))
    ? options.layout === undefined
      ? { ...(await scanSoundIdrid(source)), source, splitsFixed: false }
      : await readOtherLayout(source, options.layout)
    : await loadMetadata(source, options.metadata);
  const { valFraction = DEFAULT_SPLIT.valFraction, seed = DEFAULT_SPLIT.seed, leaks = DEFAULT_SPLIT.leaks } = options;
  const { folds = null, fold = 0 } = options;
  const splits = folds !== null || !read.splitsFixed;
  if (!splits && options.joinLabels !== true) return { source, items: read.items, notes: read.notes };

  const fingerprints = await fingerprintFiles(
    read.items.map((item) => item.imagePath),
    { root: options.cacheFolder, onProgress: options.onProgress },
  );
  let result: SplitResult = { items: [...read.items], notes: [] };
  if (folds !== null) result = assignFolds(read.items, fingerprints, { folds, fold, seed, leaks });
  else if (splits) result = carveValidation(read.items, fingerprints, { valFraction, seed, leaks });
  const notes = [...read.notes, ...result.notes];
  if (options.joinLabels !== true) return { source, items: result.items, notes };

  // Splitting may have left images out: find each one's fingerprint again by its id.
  const byId = new Map(read.items.map((item, index) => [item.id, fingerprints[index]]));
  const joined = await joinLabels(
    result.items,
    result.items.map((item) => byId.get(item.id)!),
  );
  return { source, items: joined.items, notes: [...notes, ...joined.notes] };
}
