/** The in-place sum in float64. */
import type { NdArray } from '../definition.ts';
import type { AccumulateAttributes } from './attributes.ts';

/** target += scale * x. */
export function referenceAccumulate([target, x]: readonly NdArray[], { scale = 1 }: AccumulateAttributes): void {
  x.data.forEach((value, i) => {
    target.data[i] += scale * value;
  });
}
