/** Tier: no adapter. Calibration that is kept only where it helps pictures that it was not fitted on. */
import { describe, expect, it } from 'vitest';
import { KeyedRandom, STREAMS } from '../random.ts';
import { guardedTemperature, guardedThreshold } from './guardedFits.ts';
import { ScoreHistogram } from './scoreHistogram.ts';
import { fitCasesTemperature } from './temperature.ts';

/** Cases of three grades whose network believes `confidence` of its answer and is right in a share of `right`. */
function casesOf(count: number, right: number, confidence: number, seed = 1) {
  const random = new KeyedRandom(seed, STREAMS.shuffle);
  return Array.from({ length: count }, (_, index) => {
    const believed = index % 3;
    const truth = random.uniform() < right ? believed : (believed + 1) % 3;
    const other = (1 - confidence) / 2;
    return {
      id: `case ${index}`,
      truth,
      probabilities: [0, 1, 2].map((one) => (one === believed ? confidence : other)),
    };
  });
}

describe('guardedTemperature', () => {
  it('softens a network that is too sure of itself, and says on how many cases it stands', () => {
    const cases = casesOf(200, 0.7, 0.97);
    const fitted = guardedTemperature(cases, 3);
    expect(fitted).toMatchObject({ reason: 'fitted', cases: 200 });
    expect(fitted.temperature).toBeGreaterThan(1.3);
    expect(fitted.crossValidated!.negativeLogLikelihood).toBeLessThan(fitted.before.negativeLogLikelihood);
    expect(fitted.crossValidated!.expectedCalibrationError).toBeLessThan(fitted.before.expectedCalibrationError);
    // Shrunk towards 1, by less the more cases there are.
    const free = fitCasesTemperature(cases, 3).temperature;
    expect(fitted.temperature).toBeLessThan(free);
    expect(free - fitted.temperature).toBeLessThan(0.1 * free);
  });

  it('refuses on too few cases, and where nothing is gained on cases that were not fitted on', () => {
    expect(guardedTemperature(casesOf(19, 0.5, 0.97), 3)).toMatchObject({
      temperature: 1,
      reason: 'too-few',
      crossValidated: null,
    });
    // Well calibrated already: what a fit would gain on these cases is noise.
    let refused = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const fitted = guardedTemperature(casesOf(30, 0.8, 0.8, seed), 3);
      if (fitted.reason === 'no-improvement') {
        refused++;
        expect(fitted.temperature).toBe(1);
        expect(fitted.after).toEqual(fitted.before);
      }
    }
    expect(refused).toBeGreaterThan(10);
  });
});

describe('guardedThreshold', () => {
  const image = (truth: number[], probability: number[]): ScoreHistogram => {
    const histogram = new ScoreHistogram();
    histogram.add(truth, probability);
    return histogram;
  };

  it('keeps a threshold that helps images it was not fitted on, shrunk towards one half', () => {
    const images = Array.from({ length: 20 }, () => image([1, 1, 0, 0], [0.4, 0.46, 0.2, 0.1]));
    const fitted = guardedThreshold(images, 10_000);
    expect(fitted).toMatchObject({ reason: 'fitted', images: 20, diceAtHalf: 0 });
    expect(fitted.threshold).toBeCloseTo(0.5 - (0.1 * 20) / 25, 3);
    expect(fitted.crossValidated).toBeGreaterThan(0.5);
  });

  it('refuses on few images, on absent structures, and where it would not help', () => {
    const shown = image([1, 0], [0.4, 0.2]);
    expect(guardedThreshold([shown, shown, shown, shown], 10_000)).toMatchObject({ threshold: 0.5, reason: 'too-few' });
    expect(guardedThreshold([image([0, 0], [0.4, 0.2])], 10_000)).toMatchObject({ reason: 'lesion-absent' });
    const good = Array.from({ length: 10 }, () => image([1, 0], [0.7, 0.2]));
    expect(guardedThreshold(good, 10_000)).toMatchObject({ threshold: 0.5, reason: 'no-improvement', dice: 1 });
  });
});
