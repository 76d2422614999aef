/** Tier: no adapter. Referrals: Wilson's interval, the rule, the score and the operating point, against numbers worked out by hand. */
import { describe, expect, it } from 'vitest';
import { gradingReport } from './grading.ts';
import { proportion } from './proportion.ts';
import { auroc } from './ranking.ts';
import { fitReferral, isReferable, leastPictures, referralReport, referralScore, ruleText } from './referral.ts';
import type { ReferralCase } from './referralCase.ts';

const RULE = { retinopathy: 2, edema: 1 };
/** Every picture is decided on. */
const ALL = { measure: 'coverage', value: 1 } as const;
const SENSITIVE = { measure: 'sensitivity', value: 0.9 } as const;

/** Cases with scores in hundredths. */
const casesOf = (referable: readonly number[], others: readonly number[]): ReferralCase[] =>
  [referable, others].flatMap((scores, side) =>
    scores.map((score, index) => ({ id: `${side}/${index}`, isReferable: side === 0, score: score / 100 })),
  );

describe('proportion', () => {
  it("has Wilson's interval", () => {
    // 9 of 10: (0.9 + 0.19207 ± 1.95996 · √(0.009 + 0.0096036)) / 1.38415.
    const { value, low, high } = proportion(9, 10);
    expect(value).toBe(0.9);
    expect(low).toBeCloseTo(0.59585, 4);
    expect(high).toBeCloseTo(0.98212, 4);
    // At the ends: z² / (n + z²) = 3.84146 / 23.84146.
    expect(proportion(0, 20)).toMatchObject({ low: 0, high: expect.closeTo(0.16113, 4) as number });
    expect(proportion(20, 20)).toMatchObject({ low: expect.closeTo(0.83887, 4) as number, high: 1 });
    expect(proportion(0, 0).value).toBeNaN();
  });
});

describe('the rule and the score', () => {
  it('refers by either grade, and does not decide without one that could', () => {
    expect(isReferable(RULE, { retinopathy: 1, edema: 0 })).toBe(false);
    expect(isReferable(RULE, { retinopathy: 2, edema: 0 })).toBe(true);
    expect(isReferable(RULE, { retinopathy: 0, edema: 1 })).toBe(true);
    expect(isReferable(RULE, { retinopathy: 3, edema: null })).toBe(true);
    expect(isReferable(RULE, { retinopathy: 1, edema: null })).toBeNull();
    expect(isReferable({ ...RULE, edema: null }, { retinopathy: 1, edema: 2 })).toBe(false);
    expect(ruleText(RULE)).toBe('retinopathy >= 2 or edema >= 1');
  });

  it('is the greater of both probabilities, and the score of AUROC "referable" where one grade counts', () => {
    const [retinopathy, edema] = [
      [0.4, 0.3, 0.1, 0.1, 0.1],
      [0.5, 0.2, 0.3],
    ];
    expect(referralScore(RULE, { retinopathy, edema })).toBeCloseTo(0.5, 12);
    expect(referralScore({ ...RULE, edema: null }, { retinopathy, edema })).toBeCloseTo(0.3, 12);
    expect(referralScore(RULE, { retinopathy, edema: null })).toBeNaN();
    const cases = [0, 1, 2, 3, 1].map((truth, index) => {
      const rest = 0.1 + 0.15 * index;
      return { id: String(index), truth, probabilities: [1 - rest, 0, rest / 2, rest / 2, 0] };
    });
    const scores = cases.map(({ probabilities }) =>
      referralScore({ ...RULE, edema: null }, { retinopathy: probabilities, edema: null }),
    );
    const truths = cases.map(({ truth }) => (truth >= 2 ? 1 : 0));
    expect(auroc(truths, scores)).toBe(gradingReport(cases, 5).referableAuroc);
  });
});

describe('fitReferral', () => {
  const REFERABLE = [95, 93, 91, 89, 87, 85, 83, 81, 60, 20];
  const OTHERS = [70, 50, 40, 30, 25, 15, 12, 10, 8, 5];

  it('takes the highest threshold with the sensitivity asked for, in the gap below its lowest referred score', () => {
    const fitted = fitReferral(casesOf(REFERABLE, OTHERS), RULE, SENSITIVE, ALL);
    // Nine of ten are at 0.60 and above; the next lower score is 0.50; of the others 0.70 is referred.
    expect(fitted).toMatchObject({ reason: 'fitted', threshold: 0.55, pictures: 20, referable: 10 });
    expect(fitted.fitted?.sensitivity).toMatchObject({ count: 9, of: 10 });
    expect(fitted.fitted?.specificity).toMatchObject({ count: 9, of: 10 });
    // Every picture is judged once by a point of the others: no better than where it was fitted.
    expect(fitted.crossValidated?.sensitivity.of).toBe(10);
    expect(fitted.crossValidated?.specificity.of).toBe(10);
    expect(fitted.crossValidated!.sensitivity.count).toBeLessThanOrEqual(9);
  });

  it('goes by specificity where that is asked for', () => {
    const fitted = fitReferral(casesOf(REFERABLE, OTHERS), RULE, { measure: 'specificity', value: 0.85 }, ALL);
    expect(fitted).toMatchObject({ reason: 'fitted', threshold: 0.55 });
    const wellWith = (...above: number[]) =>
      fitReferral(
        casesOf(REFERABLE, [...above, ...Array.from({ length: 20 - above.length }, () => 10)]),
        RULE,
        {
          measure: 'specificity',
          value: 0.95,
        },
        ALL,
      );
    // One of twenty others may be referred, the one at 0.99; the threshold lies below all referable ones that it can.
    expect(wellWith(99)).toMatchObject({ reason: 'fitted', threshold: expect.closeTo(0.15, 12) as number });
    expect(wellWith(99, 99)).toMatchObject({
      reason: 'unattainable',
      threshold: null,
    });
  });

  it('refuses on few pictures, and asks for more where more is to be told apart', () => {
    expect(leastPictures(SENSITIVE)).toEqual({ referable: 10, other: 5 });
    expect(leastPictures({ measure: 'sensitivity', value: 0.95 })).toEqual({ referable: 20, other: 5 });
    expect(leastPictures({ measure: 'specificity', value: 0.95 })).toEqual({ referable: 5, other: 20 });
    const few = fitReferral(casesOf(REFERABLE.slice(1), [...OTHERS, 3]), RULE, SENSITIVE, ALL);
    expect(few).toMatchObject({ reason: 'too-few', pictures: 20, referable: 9, fitted: null, crossValidated: null });
    expect(fitReferral(casesOf(REFERABLE, OTHERS), RULE, { measure: 'sensitivity', value: 0.95 }, ALL).reason).toBe(
      'too-few',
    );
  });
});

describe('referralReport', () => {
  it('counts decisions against the truth', () => {
    const report = referralReport(casesOf([90, 80, 40], [70, 30, 20, 10]), { rule: RULE, threshold: 0.5, band: null });
    expect(report).toMatchObject({ pictures: 7, referable: 3, referred: 3 });
    expect([report.sensitivity, report.specificity].map(({ count, of }) => [count, of])).toEqual([
      [2, 3],
      [3, 4],
    ]);
    expect(report.positivePredictiveValue.value).toBeCloseTo(2 / 3, 12);
    expect(report.negativePredictiveValue.value).toBe(0.75);
  });
});
