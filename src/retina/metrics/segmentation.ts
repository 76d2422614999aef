/** Scores of masks, pixel by pixel, collected image by image. */
import { GmtlError } from '../../engine/errors.ts';
import { LESIONS } from '../domain.ts';
import { meanOfDefined, type Numbers } from './inputs.ts';
import { PackedHistogram, ScoreHistogram } from './scoreHistogram.ts';

/** Pixels of one or several images by truth and prediction. */
export type PixelCounts = {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
  readonly trueNegative: number;
};

/** One image's contribution to one structure's scores; `dice` and `iou` are NaN where truth and prediction are both empty. */
export type ImageScores = PixelCounts & {
  readonly image: string;
  readonly dice: number;
  readonly iou: number;
};

/**
 * Scores of one structure. THE convention for empty masks, everywhere:
 * - aggregated over all pixels of all images is the primary figure; it is NaN only if no image has any truth or predicted pixel;
 * - per image, empty truth and empty prediction leave the image out of the mean, and `emptyImages` counts it;
 * - empty truth with any predicted pixel, or the reverse, is Dice 0 and IoU 0.
 */
export type StructureScores = {
  /** Aggregated over all pixels (primary). */
  readonly dice: number;
  readonly iou: number;
  /** TP / (TP + FN); NaN without a truth pixel. */
  readonly sensitivity: number;
  /** TP / (TP + FP); 0 where nothing was predicted though there was truth, NaN where there was neither. */
  readonly ppv: number;
  /** AUPR, exact: average precision (scikit-learn's) over all pixels, scores quantized to `bins` levels; NaN without truth. */
  readonly averagePrecision: number;
  /** AUPR, 11 thresholds: the coarser trapezoidal area that lesion papers report; see `areaOfElevenThresholds`. */
  readonly auprc11: number;
  /** A pixel is predicted where its probability >= this. Neither AUPR depends on it. */
  readonly threshold: number;
  readonly counts: PixelCounts;
  /** Mean over the images that are not empty in both; NaN where all are. */
  readonly perImage: {
    readonly dice: number;
    readonly iou: number;
    readonly images: number;
    readonly emptyImages: number;
  };
  readonly images: readonly ImageScores[];
};

/** Options of {@link SegmentationAccumulator}. */
export type SegmentationOptions = {
  /** A pixel is predicted where its probability >= threshold: one for all structures, or one per structure (0.5 where it has none). Default 0.5. */
  readonly threshold?: number | Readonly<Record<string, number>>;
  /** Levels of the score histograms, see {@link ScoreHistogram}. Default 10,000. */
  readonly bins?: number;
};

/** The threshold of a structure, see {@link SegmentationOptions}. */
export function thresholdOf(threshold: SegmentationOptions['threshold'], structure: string): number {
  if (typeof threshold === 'number') return threshold;
  return threshold?.[structure] ?? 0.5;
}

/**
 * Collects segmentation scores image by image. For the bootstrap of the AUPR each image and structure keeps a histogram: 8 bytes for each level that
 * its pixels have, at most 160 kB at the default bins.
 */
export class SegmentationAccumulator {
  readonly structures: readonly string[];
  readonly bins: number;
  readonly #threshold: SegmentationOptions['threshold'];
  readonly #images = new Map<string, ImageScores[]>();
  readonly #known = new Map<string, Set<string>>();
  readonly #imageHistograms = new Map<string, PackedHistogram[]>();
  readonly #histograms = new Map<string, ScoreHistogram>();

  constructor(structures: readonly string[], options: SegmentationOptions = {}) {
    this.structures = structures;
    this.#threshold = options.threshold;
    this.bins = options.bins ?? 10_000;
    for (const structure of structures) {
      this.#images.set(structure, []);
      this.#known.set(structure, new Set());
      this.#imageHistograms.set(structure, []);
      this.#histograms.set(structure, new ScoreHistogram(this.bins));
    }
  }

  /**
   * Adds one structure of one image. An image without a mask file for the structure has an all-zero truth: add it as such.
   *
   * @param truth non-zero where the structure is; @param probability in [0, 1]; @param valid pixels with 0 are left out (outside
   *   the field of view or in padding). All have one entry per pixel, in the same order.
   * @throws GmtlError `metrics/lesion`, `metrics/length`, `metrics/duplicate` or `metrics/probability`, naming image and structure.
   */
  add(image: string, structure: string, truth: Numbers, probability: Numbers, valid?: Numbers): void {
    const images = this.#images.get(structure);
    const total = this.#histograms.get(structure);
    const where = `image ${image}, lesion ${structure}`;
    if (images === undefined || total === undefined) {
      throw new GmtlError(
        'metrics/lesion',
        `Segmentation, ${where}: unknown lesion; known are ${this.structures.join(', ')}.`,
      );
    }
    if (truth.length !== probability.length || (valid !== undefined && valid.length !== truth.length)) {
      const sizes = [truth.length, probability.length, ...(valid === undefined ? [] : [valid.length])].join(', ');
      throw new GmtlError(
        'metrics/length',
        `Segmentation, ${where}: truth, probability and valid have ${sizes} pixels.`,
      );
    }
    if (this.#known.get(structure)?.has(image)) {
      throw new GmtlError(
        'metrics/duplicate',
        `Segmentation, ${where}: added twice; merge tiles or views before scoring.`,
      );
    }
    const histogram = new ScoreHistogram(this.bins);
    try {
      histogram.add(truth, probability, valid);
    } catch (cause) {
      if (!(cause instanceof GmtlError)) throw cause;
      throw new GmtlError(cause.code, `Segmentation, ${where}: ${cause.message}`, { cause });
    }
    total.merge(histogram);
    this.#imageHistograms.get(structure)?.push(new PackedHistogram(histogram));
    const counts = countPixels(truth, probability, thresholdOf(this.#threshold, structure), valid);
    images.push({ image, ...counts, dice: dice(counts), iou: iou(counts) });
    this.#known.get(structure)?.add(image);
  }

  /** Score histogram over all images of a structure: for curves, thresholds and calibration. @throws GmtlError `metrics/lesion`. */
  histogram(structure: string): ScoreHistogram {
    const histogram = this.#histograms.get(structure);
    if (histogram === undefined) {
      throw new GmtlError(
        'metrics/lesion',
        `Segmentation: unknown lesion ${structure}; known are ${this.structures.join(', ')}.`,
      );
    }
    return histogram;
  }

  /** Score histograms of a structure's images, in the order of `result()[structure].images`. */
  imageHistograms(structure: string): readonly PackedHistogram[] {
    return this.#imageHistograms.get(structure) ?? [];
  }

  /** Scores of everything added so far, by structure. @throws GmtlError `metrics/empty` for a structure to which nothing was added. */
  result(): Record<string, StructureScores> {
    return Object.fromEntries(this.structures.map((structure) => [structure, this.#score(structure)]));
  }

  #score(structure: string): StructureScores {
    const images = this.#images.get(structure) ?? [];
    const histogram = this.#histograms.get(structure);
    if (images.length === 0 || histogram === undefined) {
      throw new GmtlError('metrics/empty', `Segmentation: no image was added for lesion ${structure}.`);
    }
    const counts = sumCounts(images);
    const scored = images.filter((image) => !Number.isNaN(image.dice));
    return {
      dice: dice(counts),
      iou: iou(counts),
      sensitivity: sensitivity(counts),
      ppv: ppv(counts),
      averagePrecision: histogram.averagePrecision(),
      auprc11: histogram.elevenThresholdAuprc(),
      threshold: thresholdOf(this.#threshold, structure),
      counts,
      perImage: {
        dice: scored.reduce((sum, image) => sum + image.dice, 0) / scored.length,
        iou: scored.reduce((sum, image) => sum + image.iou, 0) / scored.length,
        images: scored.length,
        emptyImages: images.length - scored.length,
      },
      images,
    };
  }
}

/**
 * Mean of a figure over those lesions that were scored and for which it is defined; NaN where it is defined for none. It is the estimate of
 * `SegmentationIntervals.mean`.
 */
export function meanOverLesions(
  scores: Readonly<Record<string, StructureScores>>,
  figure: 'dice' | 'iou' | 'averagePrecision' | 'auprc11',
): number {
  return meanOfDefined(LESIONS.filter((lesion) => lesion in scores).map((lesion) => scores[lesion][figure]));
}

/** Counts pixels by truth (non-zero) and prediction (probability >= threshold), skipping those with `valid` 0. */
function countPixels(truth: Numbers, probability: Numbers, threshold: number, valid?: Numbers): PixelCounts {
  let truePositive = 0;
  let falsePositive = 0;
  let falseNegative = 0;
  let trueNegative = 0;
  for (let index = 0; index < truth.length; index++) {
    if (valid !== undefined && valid[index] === 0) continue;
    const isPredicted = probability[index] >= threshold;
    if (truth[index] !== 0) {
      if (isPredicted) truePositive++;
      else falseNegative++;
    } else if (isPredicted) falsePositive++;
    else trueNegative++;
  }
  return { truePositive, falsePositive, falseNegative, trueNegative };
}

/** Sum of counts: `dice(sumCounts(images))` is the aggregated Dice of any set of images, including a bootstrap resample. */
function sumCounts(parts: readonly PixelCounts[]): PixelCounts {
  const sum = { truePositive: 0, falsePositive: 0, falseNegative: 0, trueNegative: 0 };
  for (const part of parts) {
    sum.truePositive += part.truePositive;
    sum.falsePositive += part.falsePositive;
    sum.falseNegative += part.falseNegative;
    sum.trueNegative += part.trueNegative;
  }
  return sum;
}

/** 2·TP / (2·TP + FP + FN); NaN where truth and prediction are both empty. */
export function dice(counts: PixelCounts): number {
  const { truePositive, falsePositive, falseNegative } = counts;
  return (2 * truePositive) / (2 * truePositive + falsePositive + falseNegative);
}

/** TP / (TP + FP + FN); NaN where truth and prediction are both empty. */
export function iou(counts: PixelCounts): number {
  const { truePositive, falsePositive, falseNegative } = counts;
  return truePositive / (truePositive + falsePositive + falseNegative);
}

/** See {@link StructureScores.sensitivity}. */
export function sensitivity(counts: PixelCounts): number {
  return counts.truePositive / (counts.truePositive + counts.falseNegative);
}

/** See {@link StructureScores.ppv}. */
export function ppv(counts: PixelCounts): number {
  const predicted = counts.truePositive + counts.falsePositive;
  if (predicted === 0) return counts.falseNegative > 0 ? 0 : Number.NaN;
  return counts.truePositive / predicted;
}
