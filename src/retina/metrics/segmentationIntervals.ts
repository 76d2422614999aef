/** Bootstrap intervals of the masks' figures. */
import { LESIONS } from '../domain.ts';
import {
  type BootstrapOptions,
  bootstrapIntervals,
  type Interval,
  type IntervalsOf,
  type Weights,
} from './bootstrap.ts';
import { meanOfDefined } from './inputs.ts';
import {
  areaOfElevenThresholds,
  averagePrecisionOfBins,
  type PackedHistogram,
  type ScoreHistogram,
} from './scoreHistogram.ts';
import {
  dice,
  type ImageScores,
  iou,
  meanOverLesions,
  type StructureScores,
  type PixelCounts,
  ppv,
  type SegmentationAccumulator,
  sensitivity,
} from './segmentation.ts';

/** Figures over which {@link SegmentationIntervals.mean} averages. */
type MeanFigure = 'dice' | 'iou' | 'averagePrecision' | 'auprc11' | 'perImageDice' | 'perImageIou';

/** Percentile intervals over images, all figures and structures from the same resamples. */
export type SegmentationIntervals = {
  /** By structure. */
  readonly lesions: IntervalsOf<Readonly<Record<string, StructureFigures>>>;
  /**
   * Means over those lesions that were scored; a lesion whose figure is undefined (NaN) is left out, both in the estimate and in a resample.
   * Null where none was scored.
   */
  readonly mean: (IntervalsOf<Record<MeanFigure, number>> & { readonly lesions: readonly string[] }) | null;
};

/**
 * Bootstrap intervals over the images of everything in `SegmentationAccumulator.result()`. An image is drawn with all its structures.
 *
 * The average precision of a resample comes from coarser histograms than its estimate (thousands of merges of 10,000 bins would
 * take minutes): neighboring bins are pooled until each holds 1/{@link AP_GROUPS} of the structure's truth pixels, which moves
 * average precisions by less than 1e-3; the estimate itself uses all bins.
 *
 * @throws GmtlError `metrics/empty` for a structure to which nothing was added, or `metrics/bootstrap`.
 */
export function segmentationIntervals(
  accumulator: SegmentationAccumulator,
  options: BootstrapOptions = {},
): SegmentationIntervals {
  const scores = accumulator.result();
  const ids = [...new Set(Object.values(scores).flatMap(({ images }) => images.map(({ image }) => image)))];
  const place = new Map(ids.map((id, index) => [id, index]));
  const scored = LESIONS.filter((lesion) => scores[lesion] !== undefined);
  const measures = accumulator.structures.map((structure) => ({
    structure,
    measure: structureFigures(
      scores[structure],
      accumulator.imageHistograms(structure),
      accumulator.histogram(structure),
      (image) => Number(place.get(image)),
    ),
  }));
  const intervals = bootstrapIntervals(
    ids.length,
    (weights) => {
      const lesions = Object.fromEntries(measures.map(({ structure, measure }) => [structure, measure(weights)]));
      const mean = (name: MeanFigure): number => meanOfDefined(scored.map((lesion) => lesions[lesion][name]));
      return {
        lesions,
        mean: {
          dice: mean('dice'),
          iou: mean('iou'),
          averagePrecision: mean('averagePrecision'),
          auprc11: mean('auprc11'),
          perImageDice: mean('perImageDice'),
          perImageIou: mean('perImageIou'),
        },
      };
    },
    options,
  );
  const fine = <Own extends { readonly averagePrecision: Interval }>(own: Own, estimate: number): Own => ({
    ...own,
    averagePrecision: { ...own.averagePrecision, estimate },
  });
  return {
    lesions: Object.fromEntries(
      Object.entries(intervals.lesions).map(([name, own]) => [name, fine(own, scores[name].averagePrecision)]),
    ),
    mean:
      scored.length === 0
        ? null
        : { ...fine(intervals.mean, meanOverLesions(scores, 'averagePrecision')), lesions: scored },
  };
}

/** See {@link segmentationIntervals}. */
const AP_GROUPS = 1000;

type StructureFigures = ReturnType<ReturnType<typeof structureFigures>>;

/** One structure's figures of a weighted sample of images; `placeOf` gives an image's index among the weights. */
function structureFigures(
  { images }: StructureScores,
  histograms: readonly PackedHistogram[],
  pooled: ScoreHistogram,
  placeOf: (image: string) => number,
) {
  const places = images.map(({ image }) => placeOf(image));
  const bounds = groupBounds(pooled);
  const positives = histograms.map((histogram) => grouped(histogram, 'positives', bounds));
  const negatives = histograms.map((histogram) => grouped(histogram, 'negatives', bounds));
  const counts = histograms.map((histogram) => histogram.elevenThresholdCounts());
  const eleven = counts.map(sparse);
  const sumPositives = new Float64Array(bounds.length);
  const sumNegatives = new Float64Array(bounds.length);
  const sumEleven = new Float64Array(counts[0].length);
  return (weights: Weights) => {
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
 * First bins of the groups, ascending. From the highest score down, a group ends with the bin that completes its share of the positives,
 * so that groups with a single bin of positives give exactly the result of the bins.
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

/** Place and count of all that is not 0. */
type SparseCounts = Uint32Array;

function sparse(counts: Float64Array): SparseCounts {
  const pairs: number[] = [];
  counts.forEach((count, at) => {
    if (count > 0) pairs.push(at, count);
  });
  return Uint32Array.from(pairs);
}

function grouped(histogram: PackedHistogram, part: 'positives' | 'negatives', bounds: readonly number[]): SparseCounts {
  const counts = new Float64Array(bounds.length);
  let group = 0;
  histogram.each(part, (bin, count) => {
    while (bounds[group + 1] <= bin) group++;
    counts[group] += count;
  });
  return sparse(counts);
}

function addUp(rows: readonly SparseCounts[], weights: readonly number[], sum: Float64Array): void {
  sum.fill(0);
  rows.forEach((row, index) => {
    const weight = weights[index];
    if (weight === 0) return;
    for (let at = 0; at < row.length; at += 2) sum[row[at]] += weight * row[at + 1];
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
