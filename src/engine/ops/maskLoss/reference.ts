/** Cross entropy and Dice of masks in float64: bceWithLogits and softDice, weighed and added. */
import { referenceBce, referenceBceBackward } from '../bceWithLogits/reference.ts';
import type { NdArray } from '../definition.ts';
import { referenceSoftDice, referenceSoftDiceBackward } from '../softDice/reference.ts';
import type { MaskLossAttributes } from './attributes.ts';

/** softDice's coefficients [N, 1, 2] of flattened classes for every class. */
function perChannel(
  coefficients: Float64Array,
  { shape }: NdArray,
  { flattenClasses }: MaskLossAttributes,
): Float64Array {
  if (!flattenClasses) return coefficients;
  const channels = shape[shape.length - 1];
  return Float64Array.from({ length: shape[0] * channels * 2 }, (_, i) => {
    const sample = Math.floor(i / (2 * channels));
    return coefficients[2 * sample + (i % 2)];
  });
}

/** [loss, BCE, Dice, Dice's coefficients times its weight], from (logits, targets, posWeight?). */
export function referenceMaskLoss(inputs: readonly NdArray[], attributes: MaskLossAttributes): Float64Array[] {
  const [logits, targets, posWeight] = inputs;
  const [[bce]] = referenceBce(inputs, { posWeight: posWeight !== undefined });
  const [[dice], coefficients] = referenceSoftDice([logits, targets], attributes);
  const loss = attributes.bceWeight * bce + attributes.diceWeight * dice;
  return [
    Float64Array.of(loss),
    Float64Array.of(bce),
    Float64Array.of(dice),
    perChannel(coefficients, logits, attributes).map((number) => attributes.diceWeight * number),
  ];
}

/** The gradient of the logits, from (gradOutput, logits, targets, coefficients, posWeight?). */
export function referenceMaskLossBackward(
  [gradOutput, logits, targets, coefficients, posWeight]: readonly NdArray[],
  attributes: MaskLossAttributes,
): Float64Array {
  const count = Float64Array.of(1 / logits.data.length);
  const weights = posWeight ? [posWeight] : [];
  const bce = referenceBceBackward([gradOutput, logits, targets, { shape: [], data: count }, ...weights], {
    posWeight: posWeight !== undefined,
  });
  const dice = referenceSoftDiceBackward([gradOutput, logits, targets, coefficients], {
    ...attributes,
    flattenClasses: false,
  });
  return bce.map((slope, i) => attributes.bceWeight * slope + dice[i]);
}
