/** What pooling and its gradients are set by. */
import type { Shape } from '../../tensor/spec.ts';

/** One number for both axes, or [along the height, along the width]. */
export type PerAxis = number | readonly [number, number];

export interface WindowAttributes {
  readonly kernel: PerAxis;
  /** The kernel's size where left out, as PyTorch. */
  readonly stride?: PerAxis;
  /** 0 where left out. */
  readonly padding?: PerAxis;
  /** 1 where left out. */
  readonly dilation?: PerAxis;
}

export type MaxPoolAttributes = WindowAttributes;

export interface AvgPoolAttributes extends Omit<WindowAttributes, 'dilation'> {
  /** Whether padding counts as zeros in the mean. Default true, as PyTorch. */
  readonly countIncludePad?: boolean;
}

/** The attributes of a backward program: those of the forward and the shape it pooled. */
export interface InputShape {
  readonly inputShape: Shape;
}
