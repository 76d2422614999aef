/** Tier: no adapter. Grades that follow from drawn lesions. */
import { describe, expect, it } from 'vitest';
import { allotLabels, apportion, type Findings, gradeFindings, gradingMixture, segmentationMixture } from './labels.ts';
import { SeededRandom } from './random.ts';

const healthy: Findings = {
  microaneurysms: 0,
  hemorrhages: [0, 0, 0, 0],
  softExudates: 0,
  neovascularTufts: 0,
  exudateDistance: null,
};

describe('gradeFindings', () => {
  const cases: [string, Partial<Findings>, number, number][] = [
    ['nothing', {}, 0, 0],
    ['microaneurysms only', { microaneurysms: 12 }, 1, 0],
    ['a haemorrhage', { hemorrhages: [0, 0, 1, 0] }, 2, 0],
    ['exudates far from the fovea', { exudateDistance: 1.01 }, 2, 1],
    ['exudates at one disc diameter', { exudateDistance: 1 }, 2, 2],
    ['many haemorrhages in three quadrants', { hemorrhages: [9, 9, 9, 2] }, 2, 0],
    ['many haemorrhages in all quadrants', { hemorrhages: [3, 3, 3, 3] }, 3, 0],
    ['a soft exudate', { softExudates: 1 }, 3, 0],
    ['new vessels, whatever else', { neovascularTufts: 1, exudateDistance: 0.4 }, 4, 2],
  ];
  it.each(cases)('%s', (_name, findings, retinopathy, edema) => {
    expect(gradeFindings({ ...healthy, ...findings })).toEqual({ retinopathy, edema });
  });
});

describe('apportion', () => {
  it('sums to the total and stays within one of the exact share', () => {
    const weights = [134, 20, 136, 74, 49];
    for (const total of [0, 1, 5, 16, 48, 97]) {
      const parts = apportion(weights, total);
      expect(parts.reduce((a, b) => a + b, 0)).toBe(total);
      for (const [i, part] of parts.entries()) expect(Math.abs(part - (weights[i] / 413) * total)).toBeLessThan(1);
    }
  });

  it('refuses weights that are all 0', () => {
    expect(() => apportion([0, 0], 3)).toThrow(/more than 0/);
  });
});

describe('allotLabels', () => {
  const count = (labels: readonly number[], grade: number): number => labels.filter((label) => label === grade).length;

  it("gives IDRiD's own counts for 413 images", () => {
    const labels = allotLabels(gradingMixture, 413, new SeededRandom('labels'));
    const retinopathy = labels.map((label) => label.retinopathy);
    expect([0, 1, 2, 3, 4].map((grade) => count(retinopathy, grade))).toEqual([134, 20, 136, 74, 49]);
    const edema = labels.map((label) => label.edema);
    expect([0, 1, 2].map((grade) => count(edema, grade))).toEqual([177, 41, 195]);
    for (const label of labels) {
      if (label.retinopathy < 2) expect(label.edema).toBe(0);
      if (label.softExudates) expect(label.retinopathy).toBeGreaterThanOrEqual(3);
    }
  });

  it('shows every grade even in the small default test set', () => {
    const labels = allotLabels(gradingMixture, 16, new SeededRandom('labels'));
    expect(new Set(labels.map((label) => label.retinopathy)).size).toBe(5);
    expect(new Set(labels.map((label) => label.edema)).size).toBe(3);
  });

  it('gives soft exudates to about half of the segmentation images, in both default halves', () => {
    for (const [total, least, most] of [
      [24, 10, 14],
      [8, 3, 5],
    ]) {
      const labels = allotLabels(segmentationMixture, total, new SeededRandom('labels'));
      const soft = labels.filter((label) => label.softExudates).length;
      expect(soft).toBeGreaterThanOrEqual(least);
      expect(soft).toBeLessThanOrEqual(most);
    }
  });
});
