/** The ways of resizing, and what they are set by. */
import type { Shape } from '../../tensor/spec.ts';

export type Resampling = 'nearest' | 'bilinear';

export interface ResizeAttributes {
  /** Height and width of the result. */
  readonly size: readonly [number, number];
  /** Bilinear only: whether the corner pixels' centers stay where they are. Default false, as PyTorch. */
  readonly alignCorners?: boolean;
  /**
   * Output pixels per input pixel along height and width, where that is not `size` over the input's: after PyTorch's scale_factor, of which `size` is
   * rounded down. Not with `alignCorners`.
   */
  readonly scales?: readonly [number, number];
}

export interface ResizeBackwardAttributes extends ResizeAttributes {
  readonly inputShape: Shape;
}
