/** Tier: no adapter. Uncertainty, risk against coverage and the band of "not sure", against numbers worked out by hand. */
import { describe, expect, it } from 'vitest';
import { bootstrapIntervals } from './bootstrap.ts';
import { type GradedCase, gradingReport } from './grading.ts';
import { gradingIntervals } from './gradingIntervals.ts';
import type { ReferralCase } from './referralCase.ts';
import { riskBound, riskCoverage, type SelectiveCase, selectByError, weightedAurc } from './selective.ts';
import { disagreement, normalizedEntropy } from './uncertainty.ts';
import { decisionConfidence, fitBand, isUnsure } from './unsureBand.ts';

describe('uncertainty', () => {
  it('is the entropy as a share of the greatest', () => {
    expect(normalizedEntropy([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(1, 12);
    expect(normalizedEntropy([0, 1, 0])).toBe(0);
    // (0.5 · ln 2 + 2 · 0.25 · ln 4) / ln 3.
    expect(normalizedEntropy([0.5, 0.25, 0.25])).toBeCloseTo((1.5 * Math.LN2) / Math.log(3), 12);
  });

  it('is the mean divergence of members from their mean', () => {
    expect(
      disagreement([
        [0.5, 0.5],
        [0.5, 0.5],
      ]),
    ).toBe(0);
    expect(
      disagreement([
        [1, 0],
        [0, 1],
      ]),
    ).toBeCloseTo(1, 12);
    const members = [
      [0.7, 0.2, 0.1],
      [0.4, 0.4, 0.2],
      [0.1, 0.3, 0.6],
    ];
    const mean = [0.4, 0.3, 0.3];
    const divergences = members.map((one) => one.reduce((sum, p, index) => sum + p * Math.log(p / mean[index]), 0));
    expect(disagreement(members)).toBeCloseTo(divergences.reduce((a, b) => a + b, 0) / 3 / Math.log(3), 12);
  });
});

const answersOf = (...pairs: [number, boolean][]): SelectiveCase[] =>
  pairs.map(([confidence, isWrong]) => ({ confidence, isWrong }));

describe('riskCoverage', () => {
  it('is the share of wrong answers among the most confident', () => {
    const { points, aurc } = riskCoverage(answersOf([0.6, true], [0.9, false], [0.7, false], [0.8, true]));
    expect(points.map(({ coverage }) => coverage)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(points.map(({ risk }) => risk)).toEqual([0, 1 / 2, 1 / 3, 2 / 4]);
    expect(aurc).toBeCloseTo((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4, 12);
  });

  it('does not depend on the order of equally confident ones', () => {
    const tied: [number, boolean][] = [
      [0.9, false],
      [0.5, true],
      [0.5, false],
      [0.5, false],
    ];
    const areas = [tied, [...tied].reverse()].map((one) => riskCoverage(answersOf(...one)).aurc);
    // One of three tied is wrong: 1/3, 2/3 and 3/3 wrong ones after two, three and four pictures.
    expect(areas[0]).toBeCloseTo((0 + 1 / 3 / 2 + 2 / 3 / 3 + 1 / 4) / 4, 12);
    expect(areas[1]).toBe(areas[0]);
    expect(riskCoverage(answersOf([0.5, true], [0.5, false])).points.map(({ risk }) => risk)).toEqual([0.5, 0.5]);
  });

  it('weighs cases as often as they are drawn', () => {
    const cases = answersOf([0.9, false], [0.5, true], [0.4, false]);
    const drawn = weightedAurc(cases)(Uint32Array.of(0, 2, 1));
    expect(drawn).toBeCloseTo(riskCoverage(answersOf([0.5, true], [0.5, true], [0.4, false])).aurc, 12);
  });

  it('scores grades, with an interval', () => {
    const cases: GradedCase[] = [0.9, 0.8, 0.5, 0.4].map((p, index) => ({
      id: String(index),
      truth: index === 3 ? 1 : 0,
      probabilities: [p, (1 - p) / 3, (1 - p) / 3, (1 - p) / 3],
    }));
    const { aurc } = gradingReport(cases, 4);
    expect(aurc).toBeCloseTo(1 / 4 / 4, 12);
    const interval = gradingIntervals(cases, 4, { resamples: 40 }).aurc;
    expect(interval.estimate).toBe(aurc);
    expect(interval.low).toBe(0);
    const weights = bootstrapIntervals(4, (one) => ({ sum: one.reduce((a, b) => a + b, 0) }), { resamples: 2 });
    expect(weights.sum.estimate).toBe(4);
  });
});

describe('bounds on the error', () => {
  it("are Clopper and Pearson's", () => {
    // No error in n: 1 − delta^(1/n). One in ten at 5 %: 0.39416 (their table).
    expect(riskBound(0, 20, 0.05)).toBeCloseTo(1 - 0.05 ** (1 / 20), 9);
    expect(riskBound(1, 10, 0.05)).toBeCloseTo(0.39416, 5);
    expect(riskBound(10, 10, 0.05)).toBe(1);
  });

  it('select the most pictures that keep one, and none where few pictures cannot', () => {
    const answers = Array.from({ length: 128 }, (_, index) => ({ confidence: 128 - index, isWrong: index >= 96 }));
    const selection = selectByError(answers, 0.1)!;
    // Seven bounds are looked at, each at 0.05 / 7.
    expect(selection.bound).toBeLessThanOrEqual(0.1);
    expect(riskBound(Math.max(0, selection.answered - 96), selection.answered, 0.05 / 7)).toBe(selection.bound);
    expect(selection.answered).toBeGreaterThan(90);
    const next = selection.answered + 1;
    expect(riskBound(Math.max(0, next - 96), next, 0.05 / 7)).toBeGreaterThan(0.1);
    expect(selectByError(answers.slice(0, 20), 0.1)).toBeNull();
  });
});

describe('fitBand', () => {
  const cases: ReferralCase[] = [0.02, 0.1, 0.3, 0.45, 0.55, 0.6, 0.8, 0.9, 0.95, 0.99].map((score, index) => ({
    id: String(index),
    // The one at 0.45 is missed, the one at 0.6 referred for nothing.
    isReferable: score >= 0.5 ? score !== 0.6 : score === 0.45,
    score,
  }));

  it('leaves those nearest to the threshold undecided, as far in log odds on either side', () => {
    const band = fitBand(cases, 0.5, { measure: 'coverage', value: 0.7 });
    expect(band.decided).toMatchObject({ count: 7, of: 10 });
    expect(band.wrong).toMatchObject({ count: 0, of: 7 });
    // Between the log odds of 0.6 (0.405) and of 0.3 (0.847).
    const width = (Math.log(0.6 / 0.4) + Math.log(0.7 / 0.3)) / 2;
    expect(band.high).toBeCloseTo(1 / (1 + Math.exp(-width)), 12);
    expect(band.low! + band.high!).toBeCloseTo(1, 12);
    expect(cases.filter(({ score }) => isUnsure(band, score)).map(({ score }) => score)).toEqual([0.45, 0.55, 0.6]);
    expect(decisionConfidence(0.9, 0.5)).toBeCloseTo(Math.log(9), 12);
    expect(decisionConfidence(0, 0.5)).toBe(decisionConfidence(1e-9, 0.5));
  });

  it('decides on all where that is asked for, and on none where the error cannot be kept', () => {
    const all = fitBand(cases, 0.5, { measure: 'coverage', value: 1 });
    expect(all.low).toBe(all.high);
    expect(cases.some(({ score }) => isUnsure(all, score))).toBe(false);
    expect(fitBand(cases, 0.5, { measure: 'error', value: 0.05 })).toMatchObject({
      reason: 'unattainable',
      low: null,
      decided: null,
    });
    const many = Array.from({ length: 200 }, (_, index) => ({
      id: String(index),
      isReferable: index % 2 === 0,
      score: index % 2 === 0 ? 0.9 : 0.1,
    }));
    expect(fitBand(many, 0.5, { measure: 'error', value: 0.05 })).toMatchObject({
      reason: 'fitted',
      wrong: { count: 0 },
    });
  });
});
