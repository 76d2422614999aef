/** Tier: no adapter. Segmentation figures against scikit-learn, and the convention for empty masks. */
import { describe, expect, it } from 'vitest';
import fixtures from './fixtures/metrics.json' with { type: 'json' };
import { averagePrecision } from './ranking.ts';
import { PackedHistogram, ScoreHistogram } from './scoreHistogram.ts';
import { SegmentationAccumulator } from './segmentation.ts';

const fixture = fixtures.segmentation;

function accumulate(): SegmentationAccumulator {
  const accumulator = new SegmentationAccumulator(['EX'], { bins: fixture.bins });
  fixture.images.forEach((image, index) => {
    accumulator.add(`image ${index}`, 'EX', Uint8Array.from(image.truth), Float32Array.from(image.probability));
  });
  return accumulator;
}

describe('segmentation metrics equal scikit-learn', () => {
  const scores = accumulate().result().EX;

  it('aggregated over all pixels', () => {
    expect(scores.dice).toBeCloseTo(fixture.dice, 12);
    expect(scores.iou).toBeCloseTo(fixture.iou, 12);
    expect(scores.sensitivity).toBeCloseTo(fixture.sensitivity, 12);
    expect(scores.ppv).toBeCloseTo(fixture.ppv, 12);
  });

  it('per image, leaving out and counting the image that is empty in truth and prediction', () => {
    scores.images.forEach((image, index) => {
      const expected = fixture.perImage[index];
      if (expected.dice === null) expect([image.dice, image.iou]).toEqual([Number.NaN, Number.NaN]);
      else expect(image.dice).toBeCloseTo(expected.dice, 12);
      if (expected.iou !== null) expect(image.iou).toBeCloseTo(expected.iou, 12);
    });
    expect(scores.perImage.dice).toBeCloseTo(fixture.perImageDice, 12);
    expect(scores.perImage.iou).toBeCloseTo(fixture.perImageIou, 12);
    expect(scores.perImage).toMatchObject({ images: 5, emptyImages: 1 });
    expect(scores.images[5].dice).toBe(0);
  });

  it('average precision of quantized scores, and how little quantizing moves it', () => {
    expect(scores.averagePrecision).toBeCloseTo(fixture.averagePrecision, 12);
    expect(Math.abs(scores.averagePrecision - fixture.averagePrecisionUnquantised)).toBeLessThan(1e-3);
    expect(scores.auprc11).toBeCloseTo(fixture.auprc11, 12);
  });

  it('exact average precision agrees with scikit-learn without quantizing', () => {
    const truth = fixture.images.flatMap((image) => image.truth);
    const probability = fixture.images.flatMap((image) => image.probability);
    expect(averagePrecision(truth, probability)).toBeCloseTo(fixture.averagePrecisionUnquantised, 12);
  });
});

describe('the accumulator', () => {
  it('leaves out pixels that are not valid', () => {
    const accumulator = new SegmentationAccumulator(['MA']);
    accumulator.add('a', 'MA', [1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1], [1, 1, 0, 1]);
    const { counts, averagePrecision: pooled } = accumulator.result().MA;
    expect(counts).toEqual({ truePositive: 1, falsePositive: 0, falseNegative: 1, trueNegative: 1 });
    expect(pooled).toBeCloseTo(0.5 * 1 + 0.5 * (2 / 3), 12);
  });

  it('marks undefined scores with NaN: everything empty, nothing predicted', () => {
    const accumulator = new SegmentationAccumulator(['MA', 'SE']);
    accumulator.add('a', 'MA', [0, 0], [0, 0]);
    accumulator.add('a', 'SE', [1, 0], [0, 0]);
    const { MA, SE } = accumulator.result();
    for (const value of [MA.dice, MA.iou, MA.sensitivity, MA.ppv, MA.averagePrecision, MA.auprc11, MA.perImage.dice]) {
      expect(value).toBeNaN();
    }
    expect([SE.dice, SE.iou, SE.sensitivity, SE.ppv, SE.averagePrecision]).toEqual([0, 0, 0, 0, 0.5]);
  });

  it('names image and lesion in its errors', () => {
    const accumulator = new SegmentationAccumulator(['MA']);
    accumulator.add('IDRiD_55', 'MA', [0], [0]);
    expect(() => accumulator.add('IDRiD_56', 'XX', [0], [0])).toThrow(/IDRiD_56, lesion XX.*known are MA/);
    expect(() => accumulator.add('IDRiD_56', 'MA', [0, 1], [0])).toThrow(/IDRiD_56, lesion MA.*2, 1 pixels/);
    expect(() => accumulator.add('IDRiD_55', 'MA', [0], [0])).toThrow(/added twice/);
    expect(() => accumulator.add('IDRiD_57', 'MA', [0, 0], [0, -3])).toThrow(/IDRiD_57.*Pixel 1 has the value -3/);
    // A refused image adds no counts.
    expect(accumulator.result().MA.counts.trueNegative).toBe(1);
    expect(() => new SegmentationAccumulator(['MA'], { bins: 256 })).toThrow(/at least 4096/);
    expect(() => new SegmentationAccumulator(['MA']).result()).toThrow(/no image was added for lesion MA/);
  });

  it('merging histograms equals adding the images to one', () => {
    const [first, second] = [new ScoreHistogram(), new ScoreHistogram()];
    first.add([1, 0, 1], [0.2, 0.4, 0.8]);
    second.add([0, 1], [0.3, 1]);
    const together = new ScoreHistogram();
    together.add([1, 0, 1, 0, 1], [0.2, 0.4, 0.8, 0.3, 1]);
    first.merge(second);
    expect(first.averagePrecision()).toBe(together.averagePrecision());
    expect(first.positives).toEqual(together.positives);
  });

  it('a packed histogram holds every count, those at the grid and in the last bin too', () => {
    const [whole, twice, empty] = [new ScoreHistogram(), new ScoreHistogram(), new ScoreHistogram()];
    whole.add([1, 0, 1, 0, 1, 1], [0.2, 0.4, 0.8, 0.3, 1, 0.20004]);
    const packed = new PackedHistogram(whole);
    twice.merge(packed);
    expect(twice).toEqual(whole);
    expect(packed.positiveCount()).toBe(4);
    expect(packed.elevenThresholdCounts()).toEqual(whole.elevenThresholdCounts());
    twice.merge(packed);
    whole.merge(whole);
    expect(twice).toEqual(whole);
    empty.merge(new PackedHistogram(new ScoreHistogram()));
    expect(empty).toEqual(new ScoreHistogram());
  });
});
