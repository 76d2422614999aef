/** What the in-place sum of gradients is set by. */

export interface AccumulateAttributes {
  /** Multiplies what is added. Default 1. */
  readonly scale?: number;
}
