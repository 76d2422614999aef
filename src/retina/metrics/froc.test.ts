/** Tier: no adapter. Connected components against scipy, and lesion-level detection (FROC). */
import { describe, expect, it } from 'vitest';
import { countComponents, labelComponents } from './components.ts';
import { countDetections } from './detections.ts';
import fixtures from './fixtures/protocol.json' with { type: 'json' };
import { FROC_THRESHOLDS, FrocAccumulator, type FrocOptions } from './froc.ts';

const { froc } = fixtures;
const FALLING = [...froc.thresholds].reverse();

function accumulate(options: FrocOptions = {}): FrocAccumulator {
  const accumulator = new FrocAccumulator(['EX'], { thresholds: froc.thresholds, ...options });
  froc.images.forEach(({ truth, probability }, index) => {
    accumulator.add(`image ${index}`, 'EX', { truth, probability, width: froc.width });
  });
  return accumulator;
}

/** Fixture values, listed by ascending threshold, in the curve's order. */
const falling = (values: readonly number[]): number[] => [...values].reverse();

describe('components equal scipy.ndimage.label with diagonal neighbors', () => {
  it.each(fixtures.components)('$width wide, $count components', ({ mask, width, count, labels, sizes }) => {
    const found = labelComponents(Uint8Array.from(mask), width);
    expect(found.count).toBe(count);
    expect(countComponents(Uint8Array.from(mask), width).components).toBe(count);
    expect(Array.from(found.labels)).toEqual(labels);
    expect(Array.from(found.sizes)).toEqual(sizes);
  });
});

describe.each(froc.byOverlap)('lesion-level scores equal SciPy and NumPy, overlap $share', (expected) => {
  it('found lesions, detections and false positives of each image at each threshold', () => {
    froc.images.forEach(({ truth, probability }, index) => {
      const counts = countDetections({ truth, probability, width: froc.width }, froc.thresholds, expected.share);
      expect(counts.lesions).toBe(froc.lesions[index]);
      expect(Array.from(counts.found)).toEqual(expected.found[index]);
      expect(Array.from(counts.detections)).toEqual(expected.detections[index]);
      expect(Array.from(counts.falsePositives)).toEqual(expected.falsePositives[index]);
    });
  });

  it('the curve, its sensitivities at the seven rates and their mean', () => {
    const scores = accumulate({ minimumOverlap: expected.share }).result().EX;
    expect(scores.curve.map((point) => point.threshold)).toEqual(FALLING);
    falling(expected.sensitivity).forEach((value, index) => {
      expect(scores.curve[index].sensitivity).toBeCloseTo(value, 12);
    });
    falling(expected.falsePositivesPerImage).forEach((value, index) => {
      expect(scores.curve[index].falsePositivesPerImage).toBeCloseTo(value, 12);
    });
    expect(scores.rates.map((point) => point.falsePositivesPerImage)).toEqual([0.125, 0.25, 0.5, 1, 2, 4, 8]);
    scores.rates.forEach((point, index) => {
      expect(point.sensitivity).toBeCloseTo(expected.atRates[index], 12);
    });
    expect(scores.meanSensitivity).toBeCloseTo(expected.meanSensitivity, 12);
    expect(scores).toMatchObject({ images: 6, lesions: froc.lesions.reduce((sum, count) => sum + count, 0) });
  });
});

describe('the FROC accumulator', () => {
  const [{ falsePositives, found, detections }] = froc.byOverlap;
  const at = (rows: readonly number[][], threshold: number): number =>
    rows.reduce((sum, row) => sum + row[froc.thresholds.indexOf(threshold)], 0);

  it('states the operating point at the threshold of each lesion', () => {
    for (const threshold of [0.5, 0.3]) {
      const { operating } = accumulate({ threshold: { EX: threshold } }).result().EX;
      expect(operating).toMatchObject({
        threshold,
        found: at(found, threshold),
        detections: at(detections, threshold),
        falsePositives: at(falsePositives, threshold),
      });
      expect(operating.precision).toBeCloseTo(1 - at(falsePositives, threshold) / at(detections, threshold), 12);
    }
    // A threshold that is not on the grid joins it.
    expect(accumulate({ threshold: 0.333 }).result().EX.curve).toHaveLength(froc.thresholds.length + 1);
  });

  it('does not reward a prediction that floods the frame, as the one-pixel rule does', () => {
    const truth = new Uint8Array(400);
    truth.fill(1, 45, 48);
    const probability = new Float32Array(400).fill(0.9);
    const flooded = (minimumOverlap: number): number => {
      const accumulator = new FrocAccumulator(['MA'], { minimumOverlap });
      accumulator.add('a', 'MA', { truth, probability, width: 20 });
      return accumulator.result().MA.meanSensitivity;
    };
    expect(flooded(0.2)).toBe(0);
    expect(flooded(0)).toBe(1);
  });

  it('leaves out pixels that are not valid, in truth and prediction', () => {
    const accumulator = new FrocAccumulator(['MA']);
    const [truth, probability] = [
      [1, 0, 0, 0, 1],
      [0.9, 0, 0.9, 0, 0.9],
    ];
    accumulator.add('a', 'MA', { truth, probability, width: 5, valid: [1, 1, 0, 1, 0] });
    expect(accumulator.result().MA).toMatchObject({
      lesions: 1,
      operating: { found: 1, detections: 1, falsePositives: 0 },
    });
  });

  it('resamples images: intervals hold the estimate and repeat', () => {
    const accumulator = accumulate();
    const scores = accumulator.result().EX;
    const { meanSensitivity, sensitivity, falsePositivesPerImage } = accumulator.intervals({ resamples: 400 }).EX;
    expect(meanSensitivity.estimate).toBe(scores.meanSensitivity);
    expect(sensitivity.estimate).toBe(scores.operating.sensitivity);
    expect(falsePositivesPerImage.estimate).toBe(scores.operating.falsePositivesPerImage);
    for (const { low, estimate, high } of [meanSensitivity, sensitivity, falsePositivesPerImage]) {
      expect(low).toBeLessThan(estimate);
      expect(high).toBeGreaterThan(estimate);
    }
    expect(accumulator.intervals({ resamples: 400 }).EX.meanSensitivity).toEqual(meanSensitivity);
  });

  it('has no sensitivity without lesions, but counts false positives', () => {
    const accumulator = new FrocAccumulator(['SE']);
    accumulator.add('a', 'SE', { truth: [0, 0, 0], probability: [0.9, 0, 0.9], width: 3 });
    const { SE } = accumulator.result();
    expect([SE.meanSensitivity, SE.operating.sensitivity]).toEqual([Number.NaN, Number.NaN]);
    expect(SE.operating).toMatchObject({ falsePositives: 2, falsePositivesPerImage: 2, precision: 0 });
  });

  it('its default grid rises, is symmetric and holds one half', () => {
    expect(FROC_THRESHOLDS).toContain(0.5);
    FROC_THRESHOLDS.forEach((threshold, index) => {
      expect(threshold + (FROC_THRESHOLDS.at(-1 - index) ?? 0)).toBeCloseTo(1, 12);
      if (index > 0) expect(threshold).toBeGreaterThan(FROC_THRESHOLDS[index - 1]);
    });
  });

  it('names image and lesion in its errors', () => {
    const accumulator = new FrocAccumulator(['MA']);
    const input = { truth: [0, 0], probability: [0, 0], width: 2 };
    accumulator.add('IDRiD_55', 'MA', input);
    expect(() => accumulator.add('IDRiD_55', 'MA', input)).toThrow(/IDRiD_55, lesion MA: added twice/);
    expect(() => accumulator.add('IDRiD_56', 'XX', input)).toThrow(/IDRiD_56, lesion XX.*known are MA/);
    expect(() => accumulator.add('IDRiD_56', 'MA', { ...input, width: 3 })).toThrow(/2, 2 pixels in rows of 3/);
    expect(() => accumulator.add('IDRiD_56', 'MA', { ...input, probability: [0, Number.NaN] })).toThrow(/pixel 1.*NaN/);
    expect(() => new FrocAccumulator(['MA'], { thresholds: [0, 0.5] })).toThrow(/in \(0, 1\]/);
    expect(() => new FrocAccumulator(['MA'], { minimumOverlap: 20 })).toThrow(/share in \[0, 1\]/);
    expect(() => new FrocAccumulator(['MA']).result()).toThrow(/no image was added for lesion MA/);
  });
});
