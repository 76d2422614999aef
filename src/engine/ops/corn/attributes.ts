/** What the CORN loss is set by. */
import type { Reduction } from '../loss/plan.ts';

export interface CornAttributes {
  /** Default 'mean': over all tasks of all rows, as coral_pytorch. 'none': each row's mean over its own tasks, [N]. */
  readonly reduction?: Reduction;
}
