/** Tier: no adapter. How a grade is decided from its probabilities. */
import { describe, expect, it } from 'vitest';
import { decideGrade, predictedClasses } from './inputs.ts';
import { gradingIntervals } from './gradingIntervals.ts';
import { gradingReport } from './grading.ts';

describe('decideGrade', () => {
  it('takes the most probable grade, or the one with the least expected distance', () => {
    const split = [0.4, 0.1, 0.15, 0.35, 0];
    expect(decideGrade('mode', split)).toBe(0);
    expect(decideGrade('median', split)).toBe(1);
    const distance = (grade: number): number => split.reduce((sum, p, other) => sum + p * Math.abs(other - grade), 0);
    expect([0, 1, 2, 3, 4].map(distance).indexOf(Math.min(...[0, 1, 2, 3, 4].map(distance)))).toBe(1);
    expect(decideGrade('median', [0.5, 0.5, 0])).toBe(0);
    expect(decideGrade('median', [0, 0, 1])).toBe(2);
    // With rounded probabilities the sum before the last grade may stay below one half.
    expect(decideGrade('median', [0.2, 0.2, 0.59])).toBe(2);
  });

  it('reads a row of a matrix', () => {
    const rows = [1, 0, 0, 0.4, 0.2, 0.4, 0.1, 0.2, 0.7];
    expect([...predictedClasses(rows, 3, 'median')]).toEqual([0, 1, 2]);
    expect([...predictedClasses(rows, 3)]).toEqual([0, 0, 2]);
  });

  it('decides reports and their intervals alike', () => {
    const cases = [0, 2, 1, 2].map((truth, index) => ({
      id: String(index),
      truth,
      probabilities: index === 2 ? [0.4, 0.25, 0.35] : [0, 1, 2].map((grade) => (grade === truth ? 0.8 : 0.1)),
    }));
    expect(gradingReport(cases, 3).accuracy).toBe(0.75);
    expect(gradingReport(cases, 3, 'median').accuracy).toBe(1);
    expect(gradingIntervals(cases, 3, { decision: 'median', resamples: 50 }).accuracy.low).toBe(1);
    expect(gradingIntervals(cases, 3, { resamples: 50 }).accuracy.low).toBeLessThan(1);
  });
});
