/** What picking along an axis is set by. */
import type { Shape } from '../../tensor/spec.ts';

export interface GatherAttributes {
  /** Along which axis; negative ones count from the back. */
  readonly axis: number;
}

export interface GatherGradientAttributes extends GatherAttributes {
  /** Shape of the tensor that was picked from. */
  readonly shape: Shape;
}
