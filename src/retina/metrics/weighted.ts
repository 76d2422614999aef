/** Figures of weighted samples, for the bootstrap. */
import { argmax, checkProbabilities, type Numbers } from './inputs.ts';
import type { Weights } from './bootstrap.ts';
import { binnedError, reliabilityBinOf } from './calibration.ts';
import { ascending } from './ranking.ts';

/** A figure of a sample in which case i occurs `weights[i]` times: what a bootstrap evaluates thousands of times. */
export type WeightedFigure = (weights: Weights) => number;

/** The weighted mean of one value per case; NaN where all weights are 0. */
export function weightedMean(values: Numbers): WeightedFigure {
  return (weights) => {
    let sum = 0;
    let cases = 0;
    for (let index = 0; index < weights.length; index++) {
      sum += weights[index] * values[index];
      cases += weights[index];
    }
    return sum / cases;
  };
}

/** Figures of a binary ranking; the scores are sorted once, here. */
export type WeightedRanking = {
  /** `auroc` of ranking.ts; NaN where only one class was drawn. */
  readonly auroc: WeightedFigure;
  /** The sensitivity of `sensitivityAtSpecificity`; NaN where only one class was drawn. */
  readonly sensitivityAtSpecificity: (minimumSpecificity: number) => WeightedFigure;
  /** The specificity of `specificityAtSensitivity`; NaN where only one class was drawn. */
  readonly specificityAtSensitivity: (minimumSensitivity: number) => WeightedFigure;
};

/** Prepares a ranking of `scores` against non-zero `positives`. @throws GmtlError as `auroc`. */
export function weightedRanking(positives: Numbers, scores: Numbers): WeightedRanking {
  const falling = ascending('weightedRanking', positives, scores).reverse();
  const isLastOfTie = Array.from(falling, (index, position) => scores[index] !== scores[falling[position + 1]]);
  const totals = (weights: Weights): { positive: number; negative: number } => {
    let positive = 0;
    let negative = 0;
    for (let index = 0; index < weights.length; index++) {
      if (positives[index] !== 0) positive += weights[index];
      else negative += weights[index];
    }
    return { positive, negative };
  };
  /** Visits each threshold's true and false positives, from nothing called positive to everything, until it is stopped. */
  const sweep = (weights: Weights, visit: (truePositive: number, falsePositive: number) => boolean): void => {
    let truePositive = 0;
    let falsePositive = 0;
    if (visit(0, 0)) return;
    for (let position = 0; position < falling.length; position++) {
      const index = falling[position];
      if (positives[index] !== 0) truePositive += weights[index];
      else falsePositive += weights[index];
      if (isLastOfTie[position] && visit(truePositive, falsePositive)) return;
    }
  };
  return {
    auroc: (weights) => {
      const { positive, negative } = totals(weights);
      let area = 0;
      let lastTrue = 0;
      let lastFalse = 0;
      sweep(weights, (truePositive, falsePositive) => {
        area += ((falsePositive - lastFalse) * (truePositive + lastTrue)) / 2;
        lastTrue = truePositive;
        lastFalse = falsePositive;
        return false;
      });
      return area / (positive * negative);
    },
    sensitivityAtSpecificity: (minimumSpecificity) => (weights) => {
      const { positive, negative } = totals(weights);
      let best = 0;
      sweep(weights, (truePositive, falsePositive) => {
        if (!((negative - falsePositive) / negative >= minimumSpecificity)) return true;
        best = truePositive;
        return false;
      });
      return negative === 0 ? Number.NaN : best / positive;
    },
    specificityAtSensitivity: (minimumSensitivity) => (weights) => {
      const { positive, negative } = totals(weights);
      let best = negative;
      sweep(weights, (truePositive, falsePositive) => {
        best = falsePositive;
        return truePositive / positive >= minimumSensitivity;
      });
      return positive === 0 ? Number.NaN : (negative - best) / negative;
    },
  };
}

/** `expectedCalibrationError` of calibration.ts; the cases are put into their bins once, here. */
export function weightedCalibrationError(
  truth: Numbers,
  probabilities: Numbers,
  classes: number,
  bins = 15,
): WeightedFigure {
  const cases = checkProbabilities('weightedCalibrationError', truth, probabilities, classes);
  const confidence = new Float64Array(cases);
  const bin = new Int32Array(cases);
  const right = new Uint8Array(cases);
  for (let index = 0; index < cases; index++) {
    const predicted = argmax(probabilities, index * classes, classes);
    confidence[index] = probabilities[index * classes + predicted];
    bin[index] = reliabilityBinOf(confidence[index], bins);
    right[index] = predicted === truth[index] ? 1 : 0;
  }
  return (weights) => {
    const table = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, accuracy: 0 }));
    for (let index = 0; index < cases; index++) {
      const row = table[bin[index]];
      row.count += weights[index];
      row.confidence += weights[index] * confidence[index];
      row.accuracy += weights[index] * right[index];
    }
    for (const row of table) {
      if (row.count === 0) continue;
      row.confidence /= row.count;
      row.accuracy /= row.count;
    }
    return binnedError(table);
  };
}
