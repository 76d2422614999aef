/** What the joint mask loss is set by. */
import type { SoftDiceAttributes } from '../softDice/attributes.ts';

/** Dice's own attributes are softDice's; of its others this has none, nor a focal cross entropy or sample weights. */
export interface MaskLossAttributes
  extends Pick<
    SoftDiceAttributes,
    'smooth' | 'perSample' | 'ignoreEmptyClasses' | 'flattenClasses' | 'alpha' | 'beta'
  > {
  readonly bceWeight: number;
  readonly diceWeight: number;
}
