/** Tier: no adapter. Clouds of cases against their definitions. */
import { describe, expect, it } from 'vitest';
import { Generator } from '../../engine/tensor/random.ts';
import { fitCloud, ledoitWolf, mahalanobis } from './mahalanobis.ts';

/** Rows of three numbers, two of them correlated. */
function drawn(count: number): number[][] {
  const generator = new Generator(5);
  return Array.from({ length: count }, () => {
    const [a, b, c] = [0, 1, 2].map(() => generator.normal());
    return [1 + a, 2 + 0.9 * a + 0.1 * b, 5 * c];
  });
}

describe('ledoitWolf', () => {
  it('shrinks by the share that the paper defines: β² / δ² over the products of single rows', () => {
    const rows = drawn(12);
    const [n, p] = [rows.length, 3];
    const at = (matrix: (i: number, j: number) => number) =>
      Array.from({ length: p * p }, (_, index) => matrix(Math.floor(index / p), index % p));
    const covariance = at((i, j) => rows.reduce((sum, row) => sum + row[i] * row[j], 0) / n);
    const scale = (covariance[0] + covariance[4] + covariance[8]) / p;
    const norm = (values: number[]) => values.reduce((sum, value) => sum + value * value, 0) / p;
    const target = at((i, j) => (i === j ? scale : 0));
    const distance = norm(covariance.map((value, index) => value - target[index]));
    const noise =
      rows.reduce((sum, row) => sum + norm(at((i, j) => row[i] * row[j] - covariance[i * p + j])), 0) / n ** 2;
    const share = Math.min(noise, distance) / distance;
    expect(share).toBeGreaterThan(0.01);
    ledoitWolf(rows).forEach((value, index) => {
      expect(value).toBeCloseTo(share * target[index] + (1 - share) * covariance[index], 12);
    });
  });
});

describe('mahalanobis', () => {
  it('is the quadratic form of the inverse covariance', () => {
    // The inverse of [[4, 2], [2, 3]] is [[3, -2], [-2, 4]] / 8.
    const cloud = { mean: [1, -1], covariance: [4, 2, 2, 3] };
    expect(mahalanobis([3, 2], cloud)).toBeCloseTo(Math.sqrt((3 * 4 - 4 * 6 + 4 * 9) / 8), 12);
    expect(() => mahalanobis([1], cloud)).toThrow(/1 numbers for a cloud of 2/);
  });

  it('sets the limit by rows that the cloud was not fitted to, and forgives what is within tolerance', () => {
    const rows = drawn(400);
    const cloud = fitCloud(rows, [0.1, 0.1, 0.1], 0.9);
    const inside =
      drawn(900)
        .slice(400)
        .filter((row) => mahalanobis(row, cloud) <= cloud.limit).length / 500;
    expect(inside).toBeGreaterThan(0.86);
    expect(inside).toBeLessThan(0.94);
    // Unlike in the correlation alone: each number by itself is common.
    expect(mahalanobis([2.5, 0.5, 0], cloud)).toBeGreaterThan(2 * cloud.limit);
    const same = fitCloud(new Array(20).fill([1, 2]), [0.5, 0.5], 0.99);
    expect(mahalanobis([1.5, 2], same)).toBeCloseTo(1, 9);
    expect(() => fitCloud(rows.slice(0, 4), [1, 1, 1], 0.9)).toThrow(/4 cases/);
  });
});
