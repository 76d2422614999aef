/** What the ops that move elements are set by. */
import type { DType, Shape } from '../../tensor/spec.ts';

export interface ConcatAttributes {
  /** Along which axis; negative ones count from the back. */
  readonly axis: number;
}

export interface ExpandAttributes {
  readonly shape: Shape;
}

export interface PermuteAttributes {
  /** Axis k of the result is axis `axes[k]` of the input; negative ones count from the back. */
  readonly axes: readonly number[];
}

export interface FlipAttributes {
  /** Which axes; negative ones count from the back. */
  readonly axes: readonly number[];
}

export interface SliceAttributes {
  /** First index of each axis; negative ones count from the back. */
  readonly starts: readonly number[];
  /** One past the last index of each axis; negative ones count from the back, those past the end mean the end. */
  readonly ends: readonly number[];
  /** Positive steps; 1 each where left out. */
  readonly steps?: readonly number[];
}

export interface UnsliceAttributes extends SliceAttributes {
  /** Shape of the result. */
  readonly shape: Shape;
  /** What the elements that are not selected get. Default 0. */
  readonly value?: number;
}

export interface PadAttributes {
  /** Elements put in front of each axis. */
  readonly before: readonly number[];
  /** Elements put behind each axis. */
  readonly after: readonly number[];
  /** What they hold. Default 0. */
  readonly value?: number;
}

export interface ReshapeAttributes {
  /** At most one extent may be -1: it is filled in. */
  readonly shape: Shape;
}

export interface CastAttributes {
  readonly dtype: DType;
}

export interface FloatCastAttributes {
  readonly dtype: DType;
}

export interface FillAttributes {
  readonly shape: Shape;
  readonly value: number;
  /** `f32` by default. */
  readonly dtype?: DType;
}
