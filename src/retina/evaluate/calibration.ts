/** Temperatures and thresholds, fitted on validation images only. */
import { GRADE_COUNTS, TASKS } from '../domain.ts';
import { fitCasesTemperature, type Temperature } from '../metrics/temperature.ts';
import { fitThresholds } from '../metrics/thresholds.ts';
import type { GradedCase } from '../metrics/grading.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import type { Collected } from './collect.ts';

/** How the validation images were predicted. */
export type FittedHow = Omit<Calibration['fittedOn'], 'split' | 'segmentation' | 'classification' | 'images'>;

/**
 * Fits temperatures and per-structure thresholds to what was collected from VALIDATION images.
 * @param validation collected with the threshold 0.5 as its first setting (thresholds do not change what is fitted).
 */
export function fitCalibration(validation: Collected, how: FittedHow): Calibration {
  const temper = (cases: readonly GradedCase[], classes: number): Temperature | null =>
    cases.length > 0 ? fitCasesTemperature(cases, classes) : null;
  const segmented = validation.gate.filter(({ truth }) => truth === TASKS.indexOf('segmentation')).length;
  return {
    fittedOn: {
      split: 'val',
      segmentation: segmented,
      classification: validation.gate.length - segmented,
      images: validation.gate.map(({ id }) => id),
      ...how,
    },
    temperatures: {
      retinopathy: temper(validation.retinopathy, GRADE_COUNTS.retinopathy),
      edema: temper(validation.edema, GRADE_COUNTS.edema),
      gate: temper(validation.gate, TASKS.length),
    },
    thresholds: validation.masks ? fitThresholds(validation.masks[0].segmentation) : {},
  };
}
