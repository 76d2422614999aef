/** Histograms of pixels' probabilities, from which areas under the precision-recall curve are computed. */
import { GmtlError } from '../../engine/errors.ts';
import type { Numbers } from './inputs.ts';

/** Thresholds 0, 0.1, …, 1 of {@link ScoreHistogram.elevenThresholdAuprc}. */
const GRID_STEPS = 10;

/**
 * Counts positives and negatives by quantized score, so that precision and recall over billions of pixels need no sort and no
 * memory beyond the bins. A probability p falls in bin floor(p · bins), so that exactly 1 has a bin of its own; scores in one
 * bin are tied.
 * Images are added one by one; histograms of images can be merged, as the bootstrap over images does.
 */
export class ScoreHistogram {
  readonly bins: number;
  /** Count of positives / negatives by bin (bins + 1 of them); exact up to 2^53. */
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
  /** Of those, the ones whose score is exactly k / 10: {@link elevenThresholdAuprc} does not call them positive at k / 10. */
  readonly gridPositives: Float64Array;
  readonly gridNegatives: Float64Array;

  /**
   * @param bins at least 4096 and a multiple of 10, so that the thresholds 0, 0.1, … are bin edges. The default of 10,000
   *   moves the average precision by less than 1e-4 on smooth scores.
   */
  constructor(bins = 10_000) {
    if (!Number.isInteger(bins) || bins < 4096 || bins % GRID_STEPS !== 0) {
      throw new GmtlError(
        'metrics/bins',
        `ScoreHistogram: ${bins} bins; pass a multiple of ${GRID_STEPS}, at least 4096.`,
      );
    }
    this.bins = bins;
    this.positives = new Float64Array(bins + 1);
    this.negatives = new Float64Array(bins + 1);
    this.gridPositives = new Float64Array(GRID_STEPS + 1);
    this.gridNegatives = new Float64Array(GRID_STEPS + 1);
  }

  /**
   * Adds pixels: `truth` non-zero where positive, `probability` in [0, 1], both of the same length; pixels with `valid` 0 are skipped.
   * @throws GmtlError `metrics/probability` with the pixel's index; the histogram is then unusable.
   */
  add(truth: Numbers, probability: Numbers, valid?: Numbers): void {
    const { bins, positives, negatives, gridPositives, gridNegatives } = this;
    const stride = bins / GRID_STEPS;
    for (let index = 0; index < truth.length; index++) {
      if (valid !== undefined && valid[index] === 0) continue;
      const value = probability[index];
      if (!(value >= 0 && value <= 1)) {
        throw new GmtlError(
          'metrics/probability',
          `Pixel ${index} has the value ${value}; a probability in [0, 1] is needed: apply the sigmoid, check for NaN.`,
        );
      }
      const level = value * bins;
      const bin = Math.floor(level);
      const isPositive = truth[index] !== 0;
      if (isPositive) positives[bin]++;
      else negatives[bin]++;
      if (level === bin && bin % stride === 0) {
        if (isPositive) gridPositives[bin / stride]++;
        else gridNegatives[bin / stride]++;
      }
    }
  }

  /** Adds the counts of another histogram with as many bins. */
  merge(other: ScoreHistogram | PackedHistogram): void {
    if (other.bins !== this.bins) {
      throw new GmtlError('metrics/bins', `Cannot merge a histogram of ${other.bins} bins into one of ${this.bins}.`);
    }
    if (other instanceof PackedHistogram) {
      for (const part of PARTS) {
        other.each(part, (at, count) => {
          this[part][at] += count;
        });
      }
      return;
    }
    for (let bin = 0; bin <= this.bins; bin++) {
      this.positives[bin] += other.positives[bin];
      this.negatives[bin] += other.negatives[bin];
    }
    for (let step = 0; step <= GRID_STEPS; step++) {
      this.gridPositives[step] += other.gridPositives[step];
      this.gridNegatives[step] += other.gridNegatives[step];
    }
  }

  /** Number of positives added. */
  positiveCount(): number {
    return this.positives.reduce((left, right) => left + right, 0);
  }

  /**
   * AUPR, exact: the average precision Σ (Rₙ − Rₙ₋₁)·Pₙ of the quantized scores, equal to scikit-learn's
   * `average_precision_score` of floor(p · bins). NaN without positives.
   */
  averagePrecision(): number {
    return averagePrecisionOfBins(this.positives, this.negatives);
  }

  /**
   * AUPR, 11 thresholds: see {@link areaOfElevenThresholds}. It is coarser than, and not comparable with,
   * {@link averagePrecision}. NaN without positives.
   */
  elevenThresholdAuprc(): number {
    return areaOfElevenThresholds(this.elevenThresholdCounts(), this.positiveCount());
  }

  /** True and false positives where p > k / 10, k = 0..10: `[tp0, …, tp10, fp0, …, fp10]`. They add up over images. */
  elevenThresholdCounts(): Float64Array {
    const stride = this.bins / GRID_STEPS;
    const counts = new Float64Array(2 * (GRID_STEPS + 1));
    let truePositive = 0;
    let falsePositive = 0;
    for (let bin = this.bins; bin >= 0; bin--) {
      truePositive += this.positives[bin];
      falsePositive += this.negatives[bin];
      if (bin % stride !== 0) continue;
      const step = bin / stride;
      counts[step] = truePositive - this.gridPositives[step];
      counts[GRID_STEPS + 1 + step] = falsePositive - this.gridNegatives[step];
    }
    return counts;
  }
}

/** The counts of a {@link ScoreHistogram}. */
const PARTS = ['positives', 'negatives', 'gridPositives', 'gridNegatives'] as const;

/** A {@link ScoreHistogram} of one image to keep: only the bins that hold something, 8 bytes each; as it is one takes 160 kB. */
export class PackedHistogram {
  readonly bins: number;
  /** Place and count of all that is not 0, part after part by rising place. An image has fewer than 2^32 pixels. */
  readonly #pairs: Uint32Array;
  readonly #ends: Readonly<Record<(typeof PARTS)[number], number>>;

  constructor(histogram: ScoreHistogram) {
    this.bins = histogram.bins;
    const pairs: number[] = [];
    const ends = { positives: 0, negatives: 0, gridPositives: 0, gridNegatives: 0 };
    for (const part of PARTS) {
      histogram[part].forEach((count, at) => {
        if (count > 0) pairs.push(at, count);
      });
      ends[part] = pairs.length;
    }
    this.#pairs = Uint32Array.from(pairs);
    this.#ends = ends;
  }

  /** Visits the places of a part that hold something, rising. */
  each(part: (typeof PARTS)[number], visit: (at: number, count: number) => void): void {
    const before = PARTS[PARTS.indexOf(part) - 1];
    for (let index = before ? this.#ends[before] : 0; index < this.#ends[part]; index += 2) {
      visit(this.#pairs[index], this.#pairs[index + 1]);
    }
  }

  /** Number of positives. */
  positiveCount(): number {
    let sum = 0;
    this.each('positives', (_, count) => {
      sum += count;
    });
    return sum;
  }

  /** See {@link ScoreHistogram.elevenThresholdCounts}. */
  elevenThresholdCounts(): Float64Array {
    const whole = new ScoreHistogram(this.bins);
    whole.merge(this);
    return whole.elevenThresholdCounts();
  }
}

/** {@link ScoreHistogram.averagePrecision} of counts by rising score; the bins may be of any width. */
export function averagePrecisionOfBins(positives: Numbers, negatives: Numbers): number {
  let truePositive = 0;
  let predicted = 0;
  let sum = 0;
  for (let bin = positives.length - 1; bin >= 0; bin--) {
    predicted += positives[bin] + negatives[bin];
    truePositive += positives[bin];
    if (positives[bin] > 0) sum += (positives[bin] * truePositive) / predicted;
  }
  return truePositive === 0 ? Number.NaN : sum / truePositive;
}

/**
 * Area under the precision–recall curve sampled at the 11 thresholds 0, 0.1, …, 1 as the mmsegmentation forks of the lesion
 * papers compute it (M2MRF, HRDecoder: `lesion_metric.py`): a pixel is predicted where p > threshold (strictly, so nothing is predicted at 1),
 * precision is 1 where nothing is predicted, and the points are joined by the trapezoidal rule.
 * @param counts see {@link ScoreHistogram.elevenThresholdCounts}; @param positives pixels of the truth.
 */
export function areaOfElevenThresholds(counts: Numbers, positives: number): number {
  if (positives === 0) return Number.NaN;
  let lastRecall = 0;
  let lastPrecision = 1;
  let area = 0;
  for (let step = GRID_STEPS; step >= 0; step--) {
    const truePositive = counts[step];
    const predicted = truePositive + counts[GRID_STEPS + 1 + step];
    const recall = truePositive / positives;
    const precision = predicted === 0 ? 1 : truePositive / predicted;
    area += ((recall - lastRecall) * (precision + lastPrecision)) / 2;
    lastRecall = recall;
    lastPrecision = precision;
  }
  return area;
}
