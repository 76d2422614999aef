/** The soft Dice loss and their gradients in float64. */
import type { NdArray } from '../definition.ts';
import { type SoftDiceAttributes, tverskyFactors } from './attributes.ts';

const SMALLEST_DENOMINATOR = 1e-7;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Shape [loss, coefficients]: see shaders/softDice/finish.wgsl. */
export function referenceSoftDice(
  [x, targets, sampleWeights]: readonly NdArray[],
  attributes: SoftDiceAttributes,
): Float64Array[] {
  const { smooth = 0, perSample = true, fromLogits = true, squaredDenominator = false } = attributes;
  const { ignoreEmptyClasses = false, flattenClasses = false, reduction = 'mean' } = attributes;
  const { kI, kP, kT } = tverskyFactors(attributes);
  const samples = x.shape[0];
  const channels = flattenClasses ? 1 : x.shape[x.shape.length - 1];
  const elements = x.data.length / samples;
  const weightOf = (sample: number): number => sampleWeights?.data[sample] ?? 1;
  let weights = 0;
  for (let n = 0; n < samples; n++) weights += weightOf(n);

  const losses = new Float64Array(samples * channels);
  const coefficients = new Float64Array(samples * channels * 2);
  const addGroup = (members: readonly number[], channel: number, share: number): void => {
    let both = 0;
    let predicted = 0;
    let wanted = 0;
    for (const n of members) {
      const weight = perSample ? 1 : weightOf(n);
      for (let e = n * elements + channel; e < (n + 1) * elements; e += channels) {
        const p = fromLogits ? sigmoid(x.data[e]) : x.data[e];
        const t = targets.data[e];
        both += weight * p * t;
        predicted += weight * (squaredDenominator ? p * p : p);
        wanted += weight * (squaredDenominator ? t * t : t);
      }
    }
    if (weights <= 0 || (ignoreEmptyClasses && wanted <= 0)) return;
    const denominator = Math.max(kI * both + kP * predicted + kT * wanted + smooth, SMALLEST_DENOMINATOR);
    const dice = (2 * both + smooth) / denominator;
    const slope = denominator > SMALLEST_DENOMINATOR ? (share * dice) / denominator : 0;
    losses[members[0] * channels + channel] = share * (1 - dice);
    for (const n of members) {
      const weight = perSample ? 1 : weightOf(n);
      const at = 2 * (n * channels + channel);
      coefficients[at] = weight * ((2 * share) / denominator - kI * slope);
      coefficients[at + 1] = weight * kP * slope;
    }
  };
  const all = Array.from({ length: samples }, (_, n) => n);
  for (let channel = 0; channel < channels; channel++) {
    const shareOf = (n: number): number => (reduction === 'none' ? 1 : weightOf(n) / (weights * channels));
    if (perSample) for (const n of all) addGroup([n], channel, shareOf(n));
    else addGroup(all, channel, 1 / channels);
  }
  return [reduction === 'none' ? losses : Float64Array.of(losses.reduce((a, b) => a + b, 0)), coefficients];
}

/** The gradient of x, from (gradOutput, x, targets, coefficients). */
export function referenceSoftDiceBackward(
  [gradOutput, x, targets, coefficients]: readonly NdArray[],
  { fromLogits = true, squaredDenominator = false, flattenClasses = false, reduction }: SoftDiceAttributes,
): Float64Array {
  const samples = x.shape[0];
  const channels = flattenClasses ? 1 : x.shape[x.shape.length - 1];
  const elements = x.data.length / samples;
  return x.data.map((value, i) => {
    const group = Math.floor(i / elements) * channels + (i % channels);
    const at = 2 * group;
    const p = fromLogits ? sigmoid(value) : value;
    const slope = fromLogits ? p * (1 - p) : 1;
    const fromSize = coefficients.data[at + 1] * (squaredDenominator ? 2 * p : 1);
    return (
      gradOutput.data[reduction === 'none' ? group : 0] * (fromSize - coefficients.data[at] * targets.data[i]) * slope
    );
  });
}
