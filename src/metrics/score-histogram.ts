import { GmtlError } from '../errors.ts';
import type { Numbers } from './inputs.ts';

/** Thresholds 0, 0.1, …, 1 of {@link ScoreHistogram.elevenThresholdAuprc}. */
const GRID_STEPS = 10;

/**
 * Counts positives and negatives by quantised score, so that precision and recall over billions of pixels need no sort and no
 * memory beyond the bins. A probability p falls in bin floor(p · bins), so that exactly 1 has a bin of its own; scores in one
 * bin are tied.
 * Images are added one by one, histograms of images are merged (bootstrap over images).
 */
export class ScoreHistogram {
  readonly bins: number;
  /** Count of positives / negatives by bin (bins + 1 of them); exact up to 2^53. */
  readonly positives: Float64Array;
  readonly negatives: Float64Array;

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
  }

  /**
   * Adds pixels: `truth` non-zero where positive, `probability` in [0, 1], both of one length; pixels with `valid` 0 are skipped.
   * @throws GmtlError `metrics/probability` with the pixel's index; the histogram is then unusable.
   */
  add(truth: Numbers, probability: Numbers, valid?: Numbers): void {
    const { bins, positives, negatives } = this;
    for (let index = 0; index < truth.length; index++) {
      if (valid !== undefined && valid[index] === 0) continue;
      const value = probability[index];
      if (!(value >= 0 && value <= 1)) {
        throw new GmtlError(
          'metrics/probability',
          `Pixel ${index} has the value ${value}; a probability in [0, 1] is needed: apply the sigmoid, check for NaN.`,
        );
      }
      const bin = Math.floor(value * bins);
      if (truth[index] !== 0) positives[bin]++;
      else negatives[bin]++;
    }
  }

  /** Adds the counts of another histogram with as many bins. */
  merge(other: ScoreHistogram): void {
    if (other.bins !== this.bins) {
      throw new GmtlError('metrics/bins', `Cannot merge a histogram of ${other.bins} bins into one of ${this.bins}.`);
    }
    for (let bin = 0; bin <= this.bins; bin++) {
      this.positives[bin] += other.positives[bin];
      this.negatives[bin] += other.negatives[bin];
    }
  }

  /**
   * Average precision Σ (Rₙ − Rₙ₋₁)·Pₙ of the quantised scores: equal to scikit-learn's `average_precision_score` of
   * floor(p · bins). NaN where there is no positive.
   */
  averagePrecision(): number {
    let truePositive = 0;
    let predicted = 0;
    let sum = 0;
    for (let bin = this.bins; bin >= 0; bin--) {
      predicted += this.positives[bin] + this.negatives[bin];
      truePositive += this.positives[bin];
      if (this.positives[bin] > 0) sum += (this.positives[bin] * truePositive) / predicted;
    }
    return truePositive === 0 ? Number.NaN : sum / truePositive;
  }

  /**
   * Area under the precision–recall curve sampled at the 11 thresholds 0, 0.1, …, 1 (a pixel is positive where p >= threshold),
   * by the trapezoidal rule from the anchor (recall 0, precision 1); thresholds that predict nothing coincide with the anchor.
   * Papers on lesion segmentation report such a grid; it is coarser than, and not comparable with, {@link averagePrecision}.
   * NaN where there is no positive.
   */
  elevenThresholdAuprc(): number {
    const stride = this.bins / GRID_STEPS;
    const positiveCount = this.positives.reduce((left, right) => left + right, 0);
    if (positiveCount === 0) return Number.NaN;
    let truePositive = 0;
    let predicted = 0;
    let lastRecall = 0;
    let lastPrecision = 1;
    let area = 0;
    for (let bin = this.bins; bin >= 0; bin--) {
      truePositive += this.positives[bin];
      predicted += this.positives[bin] + this.negatives[bin];
      if (bin % stride !== 0 || predicted === 0) continue;
      const recall = truePositive / positiveCount;
      const precision = truePositive / predicted;
      area += ((recall - lastRecall) * (precision + lastPrecision)) / 2;
      lastRecall = recall;
      lastPrecision = precision;
    }
    return area;
  }
}
