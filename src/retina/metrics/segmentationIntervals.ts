import { type BootstrapOptions, bootstrapIntervals, type Interval, type Weights } from './bootstrap.ts';
import { meanOfDefined } from './inputs.ts';
import { areaOfElevenThresholds, averagePrecisionOfBins, type ScoreHistogram } from './scoreHistogram.ts';
import {
  dice,
  type ImageScores,
  iou,
  type LesionScores,
  type PixelCounts,
  ppv,
  type SegmentationAccumulator,
  sensitivity,
} from './segmentation.ts';

/** The four lesions over which papers on IDRiD average; the optic disc is no lesion. */
export const MEAN_LESIONS: readonly string[] = ['MA', 'HE', 'EX', 'SE'];

const LESION_FIGURES = [
  'dice',
  'iou',
  'sensitivity',
  'ppv',
  'averagePrecision',
  'auprc11',
  'perImageDice',
  'perImageIou',
] as const;
const MEAN_FIGURES = ['dice', 'iou', 'averagePrecision', 'auprc11', 'perImageDice', 'perImageIou'] as const;

export type LesionFigure = (typeof LESION_FIGURES)[number];
export type MeanFigure = (typeof MEAN_FIGURES)[number];

/** Percentile intervals over images, all figures and lesions from the same resamples. */
export type SegmentationIntervals = {
  readonly lesions: Readonly<Record<string, Readonly<Record<LesionFigure, Interval>>>>;
  /**
   * Means over those of {@link MEAN_LESIONS} that were scored; a lesion whose figure is undefined (NaN) is left out, in the
   * estimate as in a resample. Null where none was scored.
   */
  readonly mean: (Readonly<Record<MeanFigure, Interval>> & { readonly lesions: readonly string[] }) | null;
};

/**
 * Bootstrap intervals over the images of everything in `SegmentationAccumulator.result()`. An image is drawn with all its lesions.
 *
 * The average precision of a resample comes from coarser histograms than its estimate (thousands of merges of 10,000 bins would
 * take minutes): neighbouring bins are pooled until each holds 1/{@link AP_GROUPS} of the lesion's truth pixels, which moves
 * average precisions by less than 1e-3; the estimate itself is the fine one.
 *
 * @throws GmtlError `metrics/empty` for a lesion to which nothing was added, or `metrics/bootstrap`.
 */
export function segmentationIntervals(
  accumulator: SegmentationAccumulator,
  options: BootstrapOptions = {},
): SegmentationIntervals {
  const scores = accumulator.result();
  const ids = [...new Set(Object.values(scores).flatMap(({ images }) => images.map(({ image }) => image)))];
  const place = new Map(ids.map((id, index) => [id, index]));
  const meanLesions = MEAN_LESIONS.filter((lesion) => scores[lesion] !== undefined);
  const lesions = accumulator.lesions.map((lesion) => ({
    lesion,
    measure: lesionFigures(
      scores[lesion],
      accumulator.imageHistograms(lesion),
      accumulator.histogram(lesion),
      (image) => Number(place.get(image)),
    ),
  }));

  const intervals = bootstrapIntervals(
    ids.length,
    (weights) => {
      const figures: Record<string, number> = {};
      for (const { lesion, measure } of lesions) {
        const own = measure(weights);
        for (const name of LESION_FIGURES) figures[`${lesion}.${name}`] = own[name];
      }
      for (const name of MEAN_FIGURES) {
        figures[`mean.${name}`] = meanOfDefined(meanLesions.map((lesion) => figures[`${lesion}.${name}`]));
      }
      return figures;
    },
    options,
  );
  const setEstimate = (name: string, estimate: number): void => {
    intervals[name] = { ...intervals[name], estimate };
  };
  for (const lesion of accumulator.lesions) {
    setEstimate(`${lesion}.averagePrecision`, scores[lesion].averagePrecision);
  }
  setEstimate('mean.averagePrecision', meanOverLesions(scores, 'averagePrecision'));
  const pick = <Name extends string>(prefix: string, names: readonly Name[]): Record<Name, Interval> =>
    Object.fromEntries(names.map((name) => [name, intervals[`${prefix}.${name}`]])) as Record<Name, Interval>;
  return {
    lesions: Object.fromEntries(accumulator.lesions.map((lesion) => [lesion, pick(lesion, LESION_FIGURES)])),
    mean: meanLesions.length === 0 ? null : { ...pick('mean', MEAN_FIGURES), lesions: meanLesions },
  };
}

/**
 * Mean of a figure over those of {@link MEAN_LESIONS} that were scored and for which it is defined; NaN where it is for none. It is
 * the estimate of {@link SegmentationIntervals.mean}.
 */
export function meanOverLesions(
  scores: Readonly<Record<string, LesionScores>>,
  figure: 'dice' | 'iou' | 'averagePrecision' | 'auprc11',
): number {
  return meanOfDefined(MEAN_LESIONS.filter((lesion) => lesion in scores).map((lesion) => scores[lesion][figure]));
}

/** See {@link segmentationIntervals}. */
const AP_GROUPS = 1000;

/** One lesion's figures of a weighted sample of images; `placeOf` gives an image's index among the weights. */
function lesionFigures(
  { images }: LesionScores,
  histograms: readonly ScoreHistogram[],
  pooled: ScoreHistogram,
  placeOf: (image: string) => number,
): (weights: Weights) => Record<LesionFigure, number> {
  const places = images.map(({ image }) => placeOf(image));
  const bounds = groupBounds(pooled);
  const positives = histograms.map((histogram) => grouped(histogram.positives, bounds));
  const negatives = histograms.map((histogram) => grouped(histogram.negatives, bounds));
  const eleven = histograms.map((histogram) => histogram.elevenThresholdCounts());
  const sumPositives = new Float64Array(bounds.length);
  const sumNegatives = new Float64Array(bounds.length);
  const sumEleven = new Float64Array(eleven[0].length);
  return (weights) => {
    const drawn = places.map((place) => weights[place]);
    addUp(positives, drawn, sumPositives);
    addUp(negatives, drawn, sumNegatives);
    addUp(eleven, drawn, sumEleven);
    const counts = weightedCounts(images, drawn);
    return {
      dice: dice(counts),
      iou: iou(counts),
      sensitivity: sensitivity(counts),
      ppv: ppv(counts),
      averagePrecision: averagePrecisionOfBins(sumPositives, sumNegatives),
      auprc11: areaOfElevenThresholds(sumEleven, counts.truePositive + counts.falseNegative),
      perImageDice: weightedMeanOfDefined(images, drawn, 'dice'),
      perImageIou: weightedMeanOfDefined(images, drawn, 'iou'),
    };
  };
}

/**
 * First bins of the groups, rising. From the highest score down, a group is closed at the bin with which it holds its share of the
 * positives: a group of one bin with positives then gives exactly what the bins would.
 */
function groupBounds({ positives, bins }: ScoreHistogram): number[] {
  const share = positives.reduce((sum, count) => sum + count, 0) / AP_GROUPS;
  const bounds: number[] = [];
  let held = 0;
  for (let bin = bins; bin >= 0; bin--) {
    held += positives[bin];
    if (bin === 0 || (held > 0 && held >= share)) {
      bounds.push(bin);
      held = 0;
    }
  }
  return bounds.reverse();
}

function grouped(counts: Float64Array, bounds: readonly number[]): Float64Array {
  return Float64Array.from(bounds, (start, index) => {
    let sum = 0;
    for (let bin = start; bin < (bounds[index + 1] ?? counts.length); bin++) sum += counts[bin];
    return sum;
  });
}

function addUp(rows: readonly Float64Array[], weights: readonly number[], sum: Float64Array): void {
  sum.fill(0);
  rows.forEach((row, index) => {
    const weight = weights[index];
    if (weight === 0) return;
    for (let at = 0; at < sum.length; at++) sum[at] += weight * row[at];
  });
}

function weightedCounts(images: readonly ImageScores[], weights: readonly number[]): PixelCounts {
  const sum = { truePositive: 0, falsePositive: 0, falseNegative: 0, trueNegative: 0 };
  images.forEach((image, index) => {
    sum.truePositive += weights[index] * image.truePositive;
    sum.falsePositive += weights[index] * image.falsePositive;
    sum.falseNegative += weights[index] * image.falseNegative;
    sum.trueNegative += weights[index] * image.trueNegative;
  });
  return sum;
}

function weightedMeanOfDefined(
  images: readonly ImageScores[],
  weights: readonly number[],
  name: 'dice' | 'iou',
): number {
  let sum = 0;
  let count = 0;
  images.forEach((image, index) => {
    if (Number.isNaN(image[name])) return;
    sum += weights[index] * image[name];
    count += weights[index];
  });
  return sum / count;
}
