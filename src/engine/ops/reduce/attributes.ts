/** What reductions are set by. */
import type { DType } from '../../tensor/spec.ts';

export interface ReduceAttributes {
  /** Axes to reduce, negative ones counted from the back; all where left out. */
  readonly axes?: readonly number[];
  /** Whether reduced axes stay as extent 1. Default false. */
  readonly keepDims?: boolean;
  /** Element type of a sum or mean: f32 where left out, whatever is summed, since sums of float16 soon leave its range. */
  readonly dtype?: DType;
}
