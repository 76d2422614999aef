/** Temperatures and thresholds, fitted on validation images only. */
import { GRADE_COUNTS, TASKS } from '../domain.ts';
import { guardedTemperature, type GuardedTemperature, guardedThreshold } from '../metrics/guardedFits.ts';
import type { GradedCase } from '../metrics/grading.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import type { Collected } from './collect.ts';
import { fitCollectedReferral, type ReferralWish } from './referral.ts';

/** How the validation images were predicted. */
export type FittedHow = Omit<Calibration['fittedOn'], 'split' | 'segmentation' | 'classification' | 'images'>;

/**
 * Fits temperatures, per-structure thresholds and the operating point of referrals to what was collected from VALIDATION images. Each is kept only where it helps images that
 * it was not fitted on (see `guardedFits.ts`).
 * @param validation collected with the threshold 0.5 as its first setting (thresholds do not change what is fitted).
 * @param wish what is referred, and what the operating point is to reach; null: none is fitted.
 */
export function fitCalibration(validation: Collected, how: FittedHow, wish: ReferralWish | null): Calibration {
  const temper = (cases: readonly GradedCase[], classes: number): GuardedTemperature | null =>
    cases.length > 0 ? guardedTemperature(cases, classes) : null;
  const masks = validation.masks?.[0].segmentation;
  const segmented = validation.gate.filter(({ truth }) => truth === TASKS.indexOf('segmentation')).length;
  const temperatures = {
    retinopathy: temper(validation.retinopathy, GRADE_COUNTS.retinopathy),
    edema: temper(validation.edema, GRADE_COUNTS.edema),
    gate: temper(validation.gate, TASKS.length),
  };
  return {
    fittedOn: {
      split: 'val',
      segmentation: segmented,
      classification: validation.gate.length - segmented,
      images: validation.gate.map(({ id }) => id),
      ...how,
    },
    temperatures,
    referral: wish && fitCollectedReferral(validation, { temperatures }, wish),
    thresholds: masks
      ? Object.fromEntries(
          masks.structures.map((one) => [one, guardedThreshold(masks.imageHistograms(one), masks.bins)]),
        )
      : {},
  };
}
