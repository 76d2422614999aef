/** What cross entropy is set by. */
import type { Reduction } from '../loss/plan.ts';

export interface CrossEntropyAttributes {
  /** Share of the target that is spread evenly over all classes, in [0, 1]. Default 0. */
  readonly labelSmoothing?: number;
  /** Rows with this label count nothing; nor do rows with any negative label. Default -1 (PyTorch: -100). */
  readonly ignoreIndex?: number;
  /** Default 'mean': weighted by the class weight of each row's label, as in PyTorch. */
  readonly reduction?: Reduction;
}
