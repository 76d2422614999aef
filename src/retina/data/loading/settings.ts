/** How images are prepared and loaded: every option, its default, and what a configuration makes of them. */
import type { TrainConfig } from '../../config/schema.ts';
import type { Structure } from '../../domain.ts';
import { DEFAULT_PREPROCESS, type PreprocessOptions } from '../pictures/sample.ts';
import {
  type AugmentOptions,
  DEFAULT_AUGMENT,
  IDRID_NORMALIZATION,
  IMAGENET_NORMALIZATION,
  type Normalization,
} from './augment.ts';
import type { TileOptions } from './tiles.ts';

export const GIB = 1024 ** 3;

export interface LoaderOptions {
  /** How pictures are prepared; `size` is the network's side. */
  readonly preprocess: PreprocessOptions;
  /** Side at which training samples are kept, so that zooming in shows real detail; at least `size`. Default: `size`. */
  readonly storeSize: number | null;
  /** null: none. Evaluation never augments. */
  readonly augment: AugmentOptions | null;
  readonly normalization: Normalization;
  /** Seed of the augmentation. */
  readonly seed: number;
  /** Batches prepared ahead. */
  readonly prefetch: number;
  /** Images decoded at once; a full IDRiD frame with masks takes about 150 MB meanwhile. */
  readonly decoders: number;
  /** Leave out images that cannot be decoded (counted in `skipped`) instead of failing. Default false. */
  readonly skipBad: boolean;
  /** Root of the disk cache; null: none. Default: `cacheRoot()`. */
  readonly cacheFolder: string | null;
  /**
   * Most bytes of preprocessed samples kept in memory. A 512x512 sample with masks takes 1 MiB, IDRiD's native crop 45: not kept, it is
   * read from the disk cache for every tile (0.25 s). Default: 1 GiB; with tiles a quarter of the machine's memory, 1 to 4 GiB.
   */
  readonly memoryBytes: number;
  /** Not null: training segmentation rows are tiles of a larger picture. Classification rows and evaluation are not touched. */
  readonly tiles: TileOptions | null;
}

export const DEFAULT_LOADER: Omit<LoaderOptions, 'cacheFolder'> = {
  preprocess: DEFAULT_PREPROCESS,
  storeSize: null,
  augment: DEFAULT_AUGMENT,
  normalization: IMAGENET_NORMALIZATION,
  seed: 0,
  prefetch: 3,
  decoders: 4,
  skipBad: false,
  memoryBytes: GIB,
  tiles: null,
};
/** The optic disc is large and in every picture: tiles are drawn for it only where nothing else is to be learnt. */
function tileStructures(structures: readonly Structure[]): readonly Structure[] {
  const rare = structures.filter((structure) => structure !== 'OD');
  return rare.length > 0 ? rare : structures;
}

/** How images are prepared, the same for training, evaluation and inference. */
export function loaderSettings(
  config: TrainConfig,
): Partial<LoaderOptions> & Pick<LoaderOptions, 'preprocess' | 'normalization'> {
  const { data, training } = config;
  const { colorJitter, ...geometry } = data.augment;
  return {
    preprocess: {
      size: data.imageSize,
      crop: 'fov',
      maskResize: data.maskResize,
      clahe: data.clahe === false ? null : data.clahe,
      benGraham: data.benGraham,
    },
    storeSize: data.storeSize,
    normalization: data.normalization === 'imagenet' ? IMAGENET_NORMALIZATION : IDRID_NORMALIZATION,
    augment: { ...geometry, ...colorJitter },
    seed: training.seed,
    prefetch: data.prefetch,
    skipBad: data.skipBad,
    tiles:
      data.tiles.mode === 'on'
        ? {
            side: data.tiles.side,
            lesionFraction: data.tiles.lesionFraction,
            structures: tileStructures(config.model.structures),
          }
        : null,
    ...(data.cacheDir !== null && { cacheFolder: data.cacheDir }),
  };
}
