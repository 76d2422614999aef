/** Applies a run's calibration to the results of single images. */
import { requireMade } from '../../engine/arguments.ts';
import type { GradedTask } from '../domain.ts';
import { referralScore } from '../metrics/referral.ts';
import { normalizedEntropy } from '../metrics/uncertainty.ts';
import { isUnsure } from '../metrics/unsureBand.ts';
import { applyTemperature } from '../metrics/temperature.ts';
import { thresholdValues } from '../metrics/thresholds.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import type { Referral } from '../predict/referral.ts';
import type { Grade, InferResult } from '../predict/result.ts';
import { doubtOf, type Trust } from '../predict/trust.ts';

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

/**
 * The fitted thresholds of probabilities, 0 to 1, by structure; one that was not fitted is missing, and means 0.5.
 * @throws GmtlError `ops/attribute` for what is not a calibration.
 */
export function calibratedThresholds(calibration: Calibration): Readonly<Record<string, number>> {
  requireMade('calibratedThresholds', 'calibration', calibration, ['thresholds'], 'calibrationOf');
  return thresholdValues(calibration.thresholds);
}

/** The bare temperatures; 1 where none was fitted. */
export function calibratedTemperatures({
  temperatures,
}: Pick<Calibration, 'temperatures'>): Readonly<Record<GradedTask | 'gate', number>> {
  const { retinopathy, edema, gate } = temperatures;
  return {
    retinopathy: retinopathy?.temperature ?? 1,
    edema: edema?.temperature ?? 1,
    gate: gate?.temperature ?? 1,
  };
}

/** Reasons why a calibration does not fit the network that is used; empty where it does. */
export function calibrationDoubts(
  { fittedOn }: Calibration,
  used: {
    readonly step: number | undefined;
    readonly averaged: boolean;
    readonly flips: boolean;
    /** Where masks and grades come from. Default: as the network was trained. */
    readonly tiles?: 'auto' | 'off' | 'on' | 'router';
  },
): string[] {
  const weights = used.averaged ? 'average' : 'raw';
  return [
    ...(used.step !== undefined && fittedOn.step !== null && fittedOn.step !== used.step
      ? [`it was fitted to step ${fittedOn.step}, these weights are of step ${used.step}`]
      : []),
    ...(fittedOn.weights !== weights
      ? [`it was fitted to the ${fittedOn.weights} weights, these are the ${weights} ones`]
      : []),
    ...(fittedOn.flips !== used.flips
      ? [`it was fitted ${fittedOn.flips ? 'with' : 'without'} --tta, this is ${used.flips ? 'with' : 'without'}`]
      : []),
    ...(used.tiles === 'router' ? ['it was fitted to grades of whole pictures, these come from tiles'] : []),
  ];
}

/**
 * The referral of a picture: what a calibration's operating point decides for its probabilities, which are calibrated first; "not sure", whatever its
 * score, where it cannot be graded or is unlike those that the network was trained on. Null where there is no operating point, or a task of its rule was
 * not graded.
 *
 * @param trust null: not judged, the score decides.
 */
export function decideReferral(
  calibration: Calibration,
  { retinopathy, edema }: Readonly<Record<GradedTask, ArrayLike<number> | null>>,
  trust: Trust | null,
): Referral | null {
  const { referral: point } = calibration;
  if (point === null || point.threshold === null) return null;
  const temperatures = calibratedTemperatures(calibration);
  const temper = (values: ArrayLike<number> | null, temperature: number) =>
    values && applyTemperature(values, values.length, temperature);
  const score = referralScore(point.rule, {
    retinopathy: temper(retinopathy, temperatures.retinopathy),
    edema: temper(edema, temperatures.edema),
  });
  if (Number.isNaN(score)) return null;
  const { threshold, band } = point;
  const doubt = trust && doubtOf(trust);
  const decision = doubt || isUnsure(band, score) ? 'unsure' : score >= threshold ? 'refer' : 'none';
  const unsure = band === null || band.low === null || band.high === null ? null : ([band.low, band.high] as const);
  return { decision, by: doubt ?? 'score', score: rounded(score), threshold, unsure };
}

/**
 * A result with its referral, see {@link decideReferral}.
 *
 * @param result with the network's own probabilities, not calibrated ones.
 */
export function referResult(result: InferResult, calibration: Calibration): InferResult {
  const { retinopathy, edema } = result;
  const probabilities = { retinopathy: retinopathy?.probabilities ?? null, edema: edema?.probabilities ?? null };
  const referral = decideReferral(calibration, probabilities, result.trust);
  return referral === null ? result : { ...result, referral };
}

/** A result whose picture is referred whatever its score, where it cannot be graded. */
export function referUngradable(result: InferResult): InferResult {
  if (result.trust.gradability.gradable) return result;
  const { score = null, threshold = null, unsure = null } = result.referral ?? {};
  return { ...result, referral: { decision: 'refer', by: 'ungradable', score, threshold, unsure } };
}

function withProbabilities(grade: Grade, probabilities: readonly number[]): Grade {
  const entropy = rounded(normalizedEntropy(probabilities));
  return { ...grade, probabilities, uncertainty: { ...grade.uncertainty, entropy } };
}

/** A result with calibrated probabilities of gate and grades. Grades and routes stay as they are. */
export function calibrateResult(result: InferResult, calibration: Calibration): InferResult {
  requireMade('calibrateResult', 'result', result, ['gate', 'trust'], 'inferImage');
  requireMade('calibrateResult', 'calibration', calibration, ['temperatures'], 'calibrationOf');
  const temperatures = calibratedTemperatures(calibration);
  const temper = (values: readonly number[], temperature: number): number[] =>
    Array.from(applyTemperature(values, values.length, temperature), rounded);
  const grade = (one: Grade | null, temperature: number): Grade | null =>
    one && withProbabilities(one, temper(one.probabilities, temperature));
  const { probabilities, task } = result.gate;
  const [segmentation, classification] = temper(
    [probabilities.segmentation, probabilities.classification],
    temperatures.gate,
  );
  const gate = { segmentation, classification };
  return {
    ...result,
    gate: { task, probability: gate[task], probabilities: gate },
    retinopathy: grade(result.retinopathy, temperatures.retinopathy),
    edema: grade(result.edema, temperatures.edema),
  };
}
