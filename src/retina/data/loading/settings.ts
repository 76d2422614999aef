/** What a configuration says of how images are prepared and loaded. */
import type { TrainConfig } from '../../config/resolve.ts';
import type { Structure } from '../../domain.ts';
import { IDRID_NORMALIZATION, IMAGENET_NORMALIZATION } from './augment.ts';
import type { LoaderOptions } from './loader.ts';

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
            lesions: tileStructures(config.model.structures),
          }
        : null,
    ...(data.cacheDir !== null && { cacheFolder: data.cacheDir }),
  };
}
