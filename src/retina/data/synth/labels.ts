/** Grades a drawn retina by its lesions, and shares out the grades that a set is to have. */
import { OFFICIAL_COUNTS } from '../../domain.ts';
import { GmtlError } from '../../../engine/errors.ts';
import type { SeededRandom } from './random.ts';

/** What an examiner would count in one image. */
export interface Findings {
  readonly microaneurysms: number;
  /** Hemorrhages in the four quadrants around the fovea: above-left, above-right, below-left, below-right. */
  readonly hemorrhages: readonly [number, number, number, number];
  readonly softExudates: number;
  /** Tufts of new vessels. */
  readonly neovascularTufts: number;
  /** From the fovea to the nearest pixel of hard exudate, in disc diameters; null without exudates. */
  readonly exudateDistance: number | null;
}

/** The two labels of "B. Disease Grading". */
export interface Grades {
  /** 0 none, 1 mild, 2 moderate, 3 severe, 4 proliferative. */
  readonly retinopathy: number;
  /** 0 none, 1 exudates farther than one disc diameter from the fovea, 2 within. */
  readonly edema: number;
}

/** So many hemorrhages in each quadrant make the retinopathy severe (the 4-2-1 rule, scaled to a drawn retina). */
export const severeHemorrhagesPerQuadrant = 3;

/**
 * Grades a retina from its lesions, after the International Clinical Diabetic Retinopathy scale (Wilkinson et al. 2003)
 * in a form that lesions alone decide.
 */
export function gradeFindings(findings: Findings): Grades {
  return { retinopathy: gradeRetinopathy(findings), edema: gradeEdema(findings.exudateDistance) };
}

function gradeRetinopathy(findings: Findings): number {
  if (findings.neovascularTufts > 0) return 4;
  const everywhere = findings.hemorrhages.every((count) => count >= severeHemorrhagesPerQuadrant);
  if (everywhere || findings.softExudates > 0) return 3;
  if (findings.hemorrhages.some((count) => count > 0) || findings.exudateDistance !== null) return 2;
  return findings.microaneurysms > 0 ? 1 : 0;
}

function gradeEdema(exudateDistance: number | null): number {
  if (exudateDistance === null) return 0;
  return exudateDistance <= 1 ? 2 : 1;
}

/** The grades an image is to have, and whether cotton-wool spots are among the reasons. */
export interface Wanted extends Grades {
  readonly softExudates: boolean;
}

interface Mixture {
  /** Weights of the retinopathy grades 0..4. */
  readonly retinopathy: readonly number[];
  /** Weights of the edema grades 0..2 among images of retinopathy 2 and above; below, edema is always 0 in IDRiD. */
  readonly edema: readonly number[];
  /** Share of the images of retinopathy 3 and above that have soft exudates. */
  readonly softShare: number;
}

/** "B. Disease Grading": counted from IDRiD's training labels. */
export const gradingMixture: Mixture = {
  retinopathy: OFFICIAL_COUNTS.train.retinopathy,
  edema: [23, 41, 195],
  softShare: 0.5,
};

/** "A. Segmentation": lesions in every image, hard exudates in every image, soft ones in about half, as in IDRiD. */
export const segmentationMixture: Mixture = { retinopathy: [0, 0, 45, 42, 13], edema: [0, 30, 70], softShare: 0.9 };

/** Labels for `count` images in the mixture's proportions, as exactly as `count` allows, in shuffled order. */
export function allotLabels(mixture: Mixture, count: number, random: SeededRandom): Wanted[] {
  const perGrade = apportion(mixture.retinopathy, count);
  const diseased = perGrade[2] + perGrade[3] + perGrade[4];
  const edema = random.shuffle(
    apportion(mixture.edema, diseased).flatMap((n, label) => new Array<number>(n).fill(label)),
  );
  const labels: Wanted[] = [];
  let severe = 0;
  for (const [retinopathy, number] of perGrade.entries()) {
    for (let n = 0; n < number; n++) {
      let softExudates = false;
      if (retinopathy >= 3) {
        severe++;
        softExudates = Math.round(severe * mixture.softShare) > Math.round((severe - 1) * mixture.softShare);
      }
      labels.push({ retinopathy, edema: retinopathy < 2 ? 0 : edema.pop()!, softExudates });
    }
  }
  return random.shuffle(labels);
}

/** Splits `total` in proportion to the weights by largest remainders; the parts sum to `total`. */
export function apportion(weights: readonly number[], total: number): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  if (!(sum > 0))
    throw new GmtlError('data/synthetic-weights', `apportion: weights must sum to more than 0, got [${weights}]`);
  const exact = weights.map((weight) => (weight / sum) * total);
  const parts = exact.map(Math.floor);
  const order = exact
    .map((value, index) => ({ index, rest: value - Math.floor(value) }))
    .sort((a, b) => b.rest - a.rest || a.index - b.index);
  let left = total - parts.reduce((a, b) => a + b, 0);
  for (const { index } of order) {
    if (left === 0) break;
    parts[index]++;
    left--;
  }
  return parts;
}
