/** Knobs of the pictures: their size, preparation and augmentation, and which of them make a batch. */
import { z } from 'zod';
import { positiveInt, probability } from './kinds.ts';

const jitter = (what: string) => probability.default(0).describe(`Largest relative change of ${what}; 0 turns it off.`);
const augment = z.strictObject({
  flips: z.boolean().default(true).describe('Mirror left-right and top-bottom, each half of the time.'),
  quarterTurns: z.boolean().default(true).describe('Turn by a random multiple of 90 degrees.'),
  scale: z
    .tuple([z.number().positive(), z.number().positive()])
    .default([0.9, 1.1])
    .describe('Random zoom [min, max]; [1, 1] turns it off.'),
  shift: probability.default(0.04).describe('Largest random shift of the view, as a part of the side.'),
  colorJitter: z
    .strictObject({
      brightness: jitter('brightness'),
      contrast: jitter('contrast'),
      saturation: jitter('saturation'),
      hue: z
        .number()
        .min(0)
        .max(0.5)
        .default(0)
        .describe('Largest turn of the hue either way, as a part of the full circle; 0 turns it off.'),
    })
    .prefault({}),
});

const tiles = z.strictObject({
  mode: z
    .enum(['off', 'on'])
    .default('off')
    .describe(
      'on: masks are learnt and predicted on tiles of imageSize pixels cut from a larger picture; grades see the whole picture.',
    ),
  side: z
    .int()
    .min(64)
    .nullable()
    .default(null)
    .describe('Side in pixels of the square field-of-view crop that tiles are cut from; null: native resolution.'),
  lesionFraction: probability
    .default(0.5)
    .describe('Part of the training tiles that are centered on a lesion; the others lie anywhere on the retina.'),
  overlap: z
    .number()
    .min(0)
    .max(0.9)
    .default(0.25)
    .describe('Overlap of neighboring tiles in prediction, as a part of their side (MONAI: 0.25).'),
});

export const data = z.strictObject({
  imageSize: z
    .int()
    .min(32)
    .multipleOf(32, 'must be a multiple of 32: the trunk halves the image five times')
    .default(256)
    .describe('Side of the square network input, in pixels; a multiple of 32.'),
  storeSize: z
    .int()
    .min(32)
    .nullable()
    .default(null)
    .describe(
      'Side at which training images are kept, imageSize or more: zooming in then shows real detail instead of enlarged pixels. null: imageSize.',
    ),
  segmentationPerBatch: z.int().min(0).default(2).describe('Images with masks in each batch.'),
  classificationPerBatch: z.int().min(0).default(2).describe('Images with grades in each batch.'),
  maskResize: z
    .enum(['area-max', 'nearest'])
    .default('area-max')
    .describe('How masks shrink. area-max keeps a lesion of one source pixel; nearest loses most microaneurysms.'),
  augment: augment.prefault({}),
  clahe: z
    .union([
      z.literal(false),
      z.literal(true).transform(() => ({ clipLimit: 2, tiles: 8 })),
      z.strictObject({
        clipLimit: z
          .number()
          .positive()
          .default(2)
          .describe('Most times the mean count that a bin of a local histogram keeps.'),
        tiles: z.int().min(1).max(32).default(8).describe('Local histograms per side.'),
      }),
    ])
    .default(false)
    .describe(
      "Local equalization of the lightness (OpenCV's CLAHE on L of CIE L*a*b*): {clipLimit, tiles per side}; true: {2, 8}.",
    ),
  benGraham: z
    .boolean()
    .default(false)
    .describe(
      "Ben Graham's normalization: 4 (image - local mean) + gray, after CLAHE; gray outside 0.9 of the radius.",
    ),
  tiles: tiles.prefault({}),
  joinLabels: z
    .boolean()
    .default(false)
    .describe('Give copies of one picture (parts A and B share eyes) the labels of both, within a split.'),
  folds: z
    .int()
    .min(2)
    .nullable()
    .default(null)
    .describe('Cross-validation over the training split in this many folds; null: a held-out part.'),
  fold: z.int().min(0).default(0).describe('Which fold validates, counted from 0; only with folds.'),
  normalization: z
    .enum(['imagenet', 'idrid'])
    .default('imagenet')
    .describe('Channel means and deviations: imagenet suits pretrained weights, idrid training from scratch.'),
  validationFraction: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.15)
    .describe(
      'Part of the training images held out to choose the best checkpoint. The official test split is never used for that.',
    ),
  cacheDir: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Folder where decoded, resized images are kept between runs, keyed by content and settings; null: gmtl in the system's cache folder.",
    ),
  balanceGrades: z
    .boolean()
    .default(false)
    .describe('Draw every retinopathy grade equally often instead of as often as it occurs.'),
  balanceLesions: z
    .boolean()
    .default(false)
    .describe('Draw images with each of model.structures equally often: rare soft exudates are seen more.'),
  skipBad: z
    .boolean()
    .default(false)
    .describe('Leave out unreadable images, with a warning each, instead of stopping.'),
  prefetch: positiveInt.max(1024).default(2).describe('Batches prepared ahead.'),
});
