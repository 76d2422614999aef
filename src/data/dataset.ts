import { stat } from 'node:fs/promises';
import { GmtlError } from '../errors.ts';
import { defaultCacheFolder } from './cachefolder.ts';
import { fingerprintFiles } from './fingerprint.ts';
import { readIdrid } from './idrid.ts';
import { loadMetadata } from './metadata.ts';
import { carveValidation, DEFAULT_SPLIT, type SplitOptions } from './split.ts';
import type { Dataset } from './types.ts';

export interface OpenOptions extends Partial<SplitOptions> {
  /** Where thumbnails for comparing images are kept; null keeps none. Default: `defaultCacheFolder()`. */
  readonly cacheFolder?: string | null;
}

/**
 * Opens a folder in the official IDRiD layout, or a metadata JSON written by `gmtl data prepare`.
 *
 * A folder gets a validation split carved from its training images (see `carveValidation`). A metadata file is taken as it
 * stands: its splits were fixed when it was written.
 *
 * @throws GmtlError `data/not-found` and whatever `readIdrid`, `carveValidation` and `loadMetadata` throw.
 */
export async function openDataset(source: string, options: OpenOptions = {}): Promise<Dataset> {
  const entry = await stat(source).catch((cause: unknown) => {
    throw new GmtlError(
      'data/not-found',
      `There is no data set at ${source}. Give a folder in the IDRiD layout or a metadata JSON.`,
      {
        cause,
      },
    );
  });
  if (!entry.isDirectory()) return loadMetadata(source);
  const items = await readIdrid(source);
  const cacheFolder = options.cacheFolder === undefined ? defaultCacheFolder() : options.cacheFolder;
  const fingerprints = await fingerprintFiles(
    items.map((item) => item.imagePath),
    cacheFolder,
  );
  const { valFraction = DEFAULT_SPLIT.valFraction, seed = DEFAULT_SPLIT.seed, leaks = DEFAULT_SPLIT.leaks } = options;
  const split = carveValidation(items, fingerprints, { valFraction, seed, leaks });
  return { source, items: split.items, notes: split.notes };
}
