/** Tier: no adapter. Intervals of grading, gate and segmentation figures. */
import { describe, expect, it } from 'vitest';
import { Generator } from '../../engine/tensor/random.ts';
import { bootstrapInterval, bootstrapIntervals } from './bootstrap.ts';
import { accuracy, confusionMatrix } from './confusion.ts';
import base from './fixtures/metrics.json' with { type: 'json' };
import fixtures from './fixtures/protocol.json' with { type: 'json' };
import { FrocAccumulator } from './froc.ts';
import { gateIntervals, gateReport } from './gate.ts';
import { type GradedCase, gradingReport } from './grading.ts';
import { gradingFigures, gradingIntervals } from './gradingIntervals.ts';
import { argmax } from './inputs.ts';
import { specificityAtSensitivity } from './ranking.ts';
import { ScoreHistogram } from './scoreHistogram.ts';
import { meanOverLesions, SegmentationAccumulator } from './segmentation.ts';
import { segmentationIntervals } from './segmentationIntervals.ts';

const casesOf = ({ truth, probabilities, classes }: (typeof base.classification)[number]): GradedCase[] =>
  truth.map((label, index) => ({
    id: String(index),
    truth: label,
    probabilities: probabilities.slice(index * classes, (index + 1) * classes),
  }));

function weightsOf(drawn: readonly number[]): Uint32Array {
  const weights = new Uint32Array(drawn.length);
  for (const index of drawn) weights[index]++;
  return weights;
}

/** The fixture holds null where a figure is NaN. */
function expectFigures(
  actual: Readonly<Record<string, number>>,
  expected: Readonly<Record<string, number | null>>,
): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    if (value === null) expect(actual[name], name).toBeNaN();
    else expect(actual[name], name).toBeCloseTo(value, 11);
  }
}

describe('bootstrapIntervals', () => {
  it('draws what bootstrapInterval draws', () => {
    const values = base.bootstrap.values;
    const options = { resamples: 300, seed: 4 };
    const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length;
    const one = bootstrapInterval(values, mean, options);
    const { mean: other } = bootstrapIntervals(
      values.length,
      (weights) => ({ mean: mean(values.flatMap((value, index) => new Array<number>(weights[index]).fill(value))) }),
      options,
    );
    expect(other.low).toBeCloseTo(one.low, 12);
    expect(other.high).toBeCloseTo(one.high, 12);
    expect(other.estimate).toBe(one.estimate);
    expect(() => bootstrapIntervals(0, () => ({ x: 1 }))).toThrow(/no cases/);
    expect(() => bootstrapIntervals(3, () => ({ x: 1 }), { resamples: 0 })).toThrow(/positive integer/);
  });
});

describe.each(fixtures.grading.map((fixture, index) => ({ ...fixture, cases: casesOf(base.classification[index]) })))(
  'grading intervals, $classes grades',
  ({ classes, resamples, bootstrap, cases }) => {
    it('every figure of every resample equals scikit-learn on the drawn cases', () => {
      const figures = gradingFigures(cases, classes);
      for (const { drawn, figures: expected } of resamples) {
        // scikit-learn has no AURC: selective.test.ts counts it by hand, on drawn cases too.
        const { classes: grades, aurc: _, ...task } = figures(weightsOf(drawn));
        const ofGrades = grades.flatMap((own, grade) =>
          Object.entries(own).map(([name, value]) => [`${grade}.${name}`, value]),
        );
        expectFigures({ ...task, ...Object.fromEntries(ofGrades) }, expected);
      }
    });

    it("ends agree with SciPy's bootstrap within the noise of both", () => {
      const intervals = gradingIntervals(cases, classes, { resamples: 4000, seed: 11 });
      for (const [name, expected] of Object.entries(bootstrap)) {
        const interval = intervals[name as keyof typeof bootstrap];
        // A 2.5 % quantile of 4,000 draws has a standard error near 0.04 of the figure's; of 9,999 draws, 0.027.
        // Accuracy moves in steps of a case.
        const noise = 0.2 * expected.standardError + (name === 'accuracy' ? 1 / cases.length : 0);
        expect(Math.abs(interval.low - expected.low), name).toBeLessThan(noise);
        expect(Math.abs(interval.high - expected.high), name).toBeLessThan(noise);
      }
    });

    it("estimates are the report's figures", () => {
      const report = gradingReport(cases, classes);
      const intervals = gradingIntervals(cases, classes, { resamples: 20 });
      const pairs: [{ estimate: number }, number | undefined][] = [
        [intervals.accuracy, report.accuracy],
        [intervals.balancedAccuracy, report.balancedAccuracy],
        [intervals.macroPrecision, report.macro.precision],
        [intervals.macroRecall, report.macro.recall],
        [intervals.macroF1, report.macro.f1],
        [intervals.quadraticWeightedKappa, report.quadraticWeightedKappa],
        [intervals.macroAuroc, report.macroAuroc],
        [intervals.anyAuroc, report.anyAuroc],
        [intervals.referableAuroc, report.referableAuroc],
        [intervals.expectedCalibrationError, report.expectedCalibrationError],
        [intervals.brier, report.brier],
        [intervals.anySensitivityAtSpecificity90, report.screening.any?.sensitivityAtSpecificity90.sensitivity],
        [
          intervals.referableSpecificityAtSensitivity90,
          report.screening.referable?.specificityAtSensitivity90.specificity,
        ],
        ...report.classes.flatMap((scores, label): [{ estimate: number }, number][] => [
          [intervals.classes[label].sensitivity, scores.sensitivity],
          [intervals.classes[label].specificity, scores.specificity],
          [intervals.classes[label].precision, scores.precision],
          [intervals.classes[label].f1, scores.f1],
          [intervals.classes[label].auroc, scores.auroc],
        ]),
      ];
      for (const [interval, value] of pairs) expect(interval.estimate).toBeCloseTo(value ?? Number.NaN, 12);
    });
  },
);

describe('specificity at sensitivity', () => {
  it("equals scikit-learn's ROC", () => {
    base.ranking.forEach(({ positives, scores }, index) => {
      const point = specificityAtSensitivity(positives, scores, 0.8);
      expect(point.specificity).toBeCloseTo(fixtures.screening80[index].specificity, 12);
      expect(point.sensitivity).toBeGreaterThanOrEqual(0.8);
    });
    expect(() => specificityAtSensitivity([0, 0], [0.1, 0.2], 0.8)).toThrow(/one class/);
    // With all cases on one side of the question, operating points are undefined.
    expect(gradingReport([{ id: 'a', truth: 0, probabilities: [0.8, 0.1, 0.1] }], 3).screening.any).toBeNull();
  });
});

describe('the gate', () => {
  const cases = base.gate.truth.map((truth, index) => ({
    id: `case ${index}`,
    truth,
    probabilities: base.gate.probabilities[index],
  }));
  const routes = ['segmentation', 'classification'];

  it('calibration, accuracy and entropy of each route', () => {
    const report = gateReport(cases, routes);
    expect(report.expectedCalibrationError).toBeCloseTo(fixtures.gate.ece, 12);
    expect(report.reliability.reduce((sum, bin) => sum + bin.count, 0)).toBe(cases.length);
    report.routes.forEach((route, index) => {
      expect(route.accuracy).toBeCloseTo(fixtures.gate.routeAccuracy[index], 12);
      expect(route.meanEntropy).toBeCloseTo(fixtures.gate.routeEntropy[index], 12);
    });
  });

  it('intervals', () => {
    const report = gateReport(cases, routes);
    const intervals = gateIntervals(cases, routes, { resamples: 500, seed: 5 });
    const right = bootstrapInterval(
      cases,
      (drawn) =>
        accuracy(
          confusionMatrix(
            drawn.map((one) => one.truth),
            drawn.map((one) => argmax(one.probabilities, 0, 2)),
            2,
          ),
        ),
      { resamples: 500, seed: 5 },
    );
    expect(intervals.accuracy.low).toBeCloseTo(right.low, 12);
    expect(intervals.accuracy.high).toBeCloseTo(right.high, 12);
    expect(intervals.meanEntropy.estimate).toBeCloseTo(report.meanEntropy, 12);
    expect(intervals.expectedCalibrationError.estimate).toBeCloseTo(report.expectedCalibrationError, 12);
    intervals.routes.forEach((route, index) => {
      expect(route.name).toBe(routes[index]);
      expect(route.accuracy.estimate).toBeCloseTo(report.routes[index].accuracy, 12);
      expect(route.meanEntropy.estimate).toBeCloseTo(report.routes[index].meanEntropy, 12);
    });
  });
});

describe('segmentation intervals', () => {
  const { images } = base.segmentation;
  const add = (accumulator: SegmentationAccumulator, id: string, lesion: string, index: number): void =>
    accumulator.add(id, lesion, images[index].truth, images[index].probability);

  it('every figure of a resample equals scikit-learn on the drawn images', () => {
    const options = { resamples: 1 };
    for (const { drawn, figures } of fixtures.segmentation.resamples) {
      // The drawn images themselves are the cases, so that the estimate is the resample's figure.
      const accumulator = new SegmentationAccumulator(['EX']);
      drawn.forEach((index, place) => {
        add(accumulator, `${place}`, 'EX', index);
      });
      const { lesions, mean } = segmentationIntervals(accumulator, options);
      for (const [name, value] of Object.entries(figures)) {
        const { estimate } = lesions.EX[name as keyof typeof figures];
        // Scores are quantized to 10,000 levels for the average precision.
        expect(Math.abs(estimate - value), name).toBeLessThan(name === 'averagePrecision' ? 1e-3 : 1e-12);
      }
      expect(mean?.dice.estimate).toBe(lesions.EX.dice.estimate);
    }
  });

  it('intervals equal a bootstrap that scores each resample anew', () => {
    const accumulator = new SegmentationAccumulator(['EX']);
    images.forEach((_, index) => {
      add(accumulator, `${index}`, 'EX', index);
    });
    const options = { resamples: 40, seed: 9 };
    const { EX } = segmentationIntervals(accumulator, options).lesions;
    const anew = (pick: (scores: ReturnType<SegmentationAccumulator['result']>['EX']) => number) =>
      bootstrapInterval(
        images.map((_, index) => index),
        (drawn) => {
          const again = new SegmentationAccumulator(['EX']);
          drawn.forEach((index, place) => {
            add(again, `${place}`, 'EX', index);
          });
          return pick(again.result().EX);
        },
        options,
      );
    const pairs = [
      [EX.dice, anew((scores) => scores.dice), 1e-12],
      [EX.ppv, anew((scores) => scores.ppv), 1e-12],
      [EX.auprc11, anew((scores) => scores.auprc11), 1e-12],
      [EX.perImageIou, anew((scores) => scores.perImage.iou), 1e-12],
      // There are so few truth pixels that no two of their bins are pooled.
      [EX.averagePrecision, anew((scores) => scores.averagePrecision), 1e-12],
    ] as const;
    for (const [interval, expected, tolerance] of pairs) {
      expect(interval.estimate).toBeCloseTo(expected.estimate, 12);
      expect(Math.abs(interval.low - expected.low)).toBeLessThan(tolerance);
      expect(Math.abs(interval.high - expected.high)).toBeLessThan(tolerance);
    }
  });

  it('average precision by pooled bins stays within 1e-3 of that by all bins', () => {
    const random = new Generator(3);
    const accumulator = new SegmentationAccumulator(['EX']);
    const perImage = Array.from({ length: 8 }, (_, image) => {
      const truth = Array.from({ length: 4000 }, () => (random.uniform() < 0.15 + 0.02 * image ? 1 : 0));
      const probability = truth.map((one) => random.uniform() ** (one === 1 ? 0.7 : 3));
      accumulator.add(`${image}`, 'EX', truth, probability);
      return accumulator.imageHistograms('EX')[image];
    });
    const options = { resamples: 200, seed: 2 };
    const { averagePrecision } = segmentationIntervals(accumulator, options).lesions.EX;
    const fine = bootstrapInterval(
      perImage,
      (drawn) => {
        const merged = new ScoreHistogram();
        for (const histogram of drawn) merged.merge(histogram);
        return merged.averagePrecision();
      },
      options,
    );
    expect(averagePrecision.estimate).toBe(fine.estimate);
    expect(Math.abs(averagePrecision.low - fine.low)).toBeLessThan(1e-3);
    expect(Math.abs(averagePrecision.high - fine.high)).toBeLessThan(1e-3);
  });

  it('draws an image with all its lesions; the mean leaves out the disc and what is undefined', () => {
    const accumulator = new SegmentationAccumulator(['MA', 'EX', 'SE', 'OD']);
    images.forEach((_, index) => {
      add(accumulator, `${index}`, 'MA', index);
      add(accumulator, `${index}`, 'EX', index);
      accumulator.add(`${index}`, 'SE', [0, 0], [0, 0]);
      accumulator.add(`${index}`, 'OD', [1, 1], [1, 1]);
    });
    const { lesions, mean } = segmentationIntervals(accumulator, { resamples: 100 });
    expect(mean?.lesions).toEqual(['MA', 'EX', 'SE']);
    for (const figure of ['dice', 'iou', 'averagePrecision', 'auprc11'] as const) {
      expect(mean?.[figure].estimate).toBeCloseTo(meanOverLesions(accumulator.result(), figure), 12);
    }
    // MA and EX have the same masks and share their draws, so their mean has their interval.
    expect(mean?.dice).toEqual(lesions.MA.dice);
    expect(mean?.averagePrecision).toEqual(lesions.EX.averagePrecision);
    expect(lesions.SE.dice).toMatchObject({ estimate: Number.NaN, low: Number.NaN, undefinedResamples: 100 });
    expect(lesions.OD.dice).toMatchObject({ estimate: 1, low: 1, high: 1 });
    const disc = new SegmentationAccumulator(['OD']);
    disc.add('a', 'OD', [1], [1]);
    expect(segmentationIntervals(disc, { resamples: 10 }).mean).toBeNull();
  });
});

describe('results', () => {
  it('are plain: JSON gives them back', () => {
    const cases = casesOf(base.classification[0]);
    const gate = [{ id: 'a', truth: 0, probabilities: [0.9, 0.1] }];
    const accumulator = new SegmentationAccumulator(['EX']);
    base.segmentation.images.slice(0, 3).forEach(({ truth, probability }, index) => {
      accumulator.add(`${index}`, 'EX', truth, probability);
    });
    const froc = new FrocAccumulator(['EX']);
    const { width, images } = base.segmentation;
    froc.add('a', 'EX', { ...images[0], width });
    const few = { resamples: 5 };
    const results = [
      gradingReport(cases, 5),
      gradingIntervals(cases, 5, few),
      gateReport(gate, ['a', 'b']).misroutes,
      segmentationIntervals(accumulator, few),
      accumulator.result(),
      froc.result(),
      froc.intervals(few),
    ];
    for (const result of results) expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });
});
