/** What a configuration says of how images are prepared and loaded. */
import type { TrainConfig } from '../../config/resolve.ts';
import { IDRID_NORMALISATION, IMAGENET_NORMALISATION } from './augment.ts';
import type { LoaderOptions } from './loader.ts';

/** The optic disc is large and in every picture: tiles are drawn for it only where nothing else is to be learnt. */
function tileLesions(lesions: TrainConfig['model']['lesions']): TrainConfig['model']['lesions'] {
  const rare = lesions.filter((lesion) => lesion !== 'OD');
  return rare.length > 0 ? rare : lesions;
}

/** How images are prepared, the same for training, evaluation and inference. */
export function loaderSettings(
  config: TrainConfig,
): Partial<LoaderOptions> & Pick<LoaderOptions, 'preprocess' | 'normalisation'> {
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
    normalisation: data.normalization === 'imagenet' ? IMAGENET_NORMALISATION : IDRID_NORMALISATION,
    augment: { ...geometry, ...colorJitter },
    seed: training.seed,
    prefetch: data.prefetch,
    skipBad: data.skipBad,
    tiles:
      data.tiles.mode === 'on'
        ? {
            side: data.tiles.side,
            lesionFraction: data.tiles.lesionFraction,
            lesions: tileLesions(config.model.lesions),
          }
        : null,
    ...(data.cacheDir !== null && { cacheFolder: data.cacheDir }),
  };
}
