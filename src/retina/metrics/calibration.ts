/** Measures how far probabilities can be trusted: reliability bins, calibration error, Brier score. */
import { argmax, checkProbabilities, type Numbers } from './inputs.ts';

/** One bar of a reliability diagram; `confidence` and `accuracy` are means over its `count` cases (0 for an empty bin). */
export type ReliabilityBin = {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  readonly confidence: number;
  readonly accuracy: number;
};

/**
 * Cases by the probability of their predicted class, in `bins` equal bins (low, high] (Guo et al., "On Calibration of Modern
 * Neural Networks", ICML 2017). Probabilities are (cases × classes), row-major.
 */
export function reliabilityBins(truth: Numbers, probabilities: Numbers, classes: number, bins = 15): ReliabilityBin[] {
  const cases = checkProbabilities('reliabilityBins', truth, probabilities, classes);
  const count = new Float64Array(bins);
  const confidence = new Float64Array(bins);
  const right = new Float64Array(bins);
  for (let index = 0; index < cases; index++) {
    const predicted = argmax(probabilities, index * classes, classes);
    const value = probabilities[index * classes + predicted];
    const bin = reliabilityBinOf(value, bins);
    count[bin]++;
    confidence[bin] += value;
    if (predicted === truth[index]) right[bin]++;
  }
  return Array.from({ length: bins }, (_, bin) => ({
    low: bin / bins,
    high: (bin + 1) / bins,
    count: count[bin],
    confidence: count[bin] === 0 ? 0 : confidence[bin] / count[bin],
    accuracy: count[bin] === 0 ? 0 : right[bin] / count[bin],
  }));
}

/** The bin (low, high] of a confidence; 0 falls into the first. */
export function reliabilityBinOf(confidence: number, bins: number): number {
  return Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
}

/** Expected calibration error: Σ over {@link reliabilityBins} of share of cases · |accuracy − confidence|. */
export function expectedCalibrationError(truth: Numbers, probabilities: Numbers, classes: number, bins = 15): number {
  return binnedError(reliabilityBins(truth, probabilities, classes, bins));
}

/** The expected calibration error of a table of bins. NaN without cases. */
export function binnedError(table: readonly Pick<ReliabilityBin, 'count' | 'accuracy' | 'confidence'>[]): number {
  const cases = table.reduce((sum, bin) => sum + bin.count, 0);
  return table.reduce((sum, bin) => sum + (bin.count / cases) * Math.abs(bin.accuracy - bin.confidence), 0);
}

/**
 * Brier's original multi-class score (Monthly Weather Review 78, 1950): the mean over cases of Σ over classes
 * (probability − truth)², from 0 (perfect) to 2. With two classes it is twice the binary score of scikit-learn.
 */
export function brierScore(truth: Numbers, probabilities: Numbers, classes: number): number {
  const each = brierScores(truth, probabilities, classes);
  return each.reduce((sum, value) => sum + value, 0) / each.length;
}

/** {@link brierScore}'s term of each case. */
export function brierScores(truth: Numbers, probabilities: Numbers, classes: number): Float64Array {
  const scores = new Float64Array(checkProbabilities('brierScore', truth, probabilities, classes));
  for (let index = 0; index < scores.length; index++) {
    for (let label = 0; label < classes; label++) {
      scores[index] += (probabilities[index * classes + label] - (truth[index] === label ? 1 : 0)) ** 2;
    }
  }
  return scores;
}
