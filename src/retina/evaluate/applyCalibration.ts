/** Applies a run's calibration to the results of single images. */
import type { GradedTask } from '../domain.ts';
import { applyTemperature } from '../metrics/temperature.ts';
import { thresholdValues } from '../metrics/thresholds.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import type { Grade, InferResult } from '../predict/result.ts';

/** The bare thresholds, by structure. */
export const calibratedThresholds = ({ thresholds }: Calibration): Readonly<Record<string, number>> =>
  thresholdValues(thresholds);

/** The bare temperatures; 1 where none was fitted. */
export function calibratedTemperatures({ temperatures }: Calibration): Readonly<Record<GradedTask | 'gate', number>> {
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
  used: { readonly step: number | undefined; readonly averaged: boolean; readonly flips: boolean },
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
  ];
}

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

/** A result with calibrated probabilities of gate and grades. Grades and routes stay as they are. */
export function calibrateResult(result: InferResult, calibration: Calibration): InferResult {
  const temperatures = calibratedTemperatures(calibration);
  const temper = (values: readonly number[], temperature: number): number[] =>
    Array.from(applyTemperature(values, values.length, temperature), rounded);
  const grade = (one: Grade | null, temperature: number): Grade | null =>
    one && { ...one, probabilities: temper(one.probabilities, temperature) };
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
