/** The grid of the kernels that work row by row. */
import { type Dispatch, gridFor, type PlanTarget } from '../gpu/kernel.ts';
import { sizeOf } from '../tensor/spec.ts';
import { axisFields, walkOver } from './elementwise.ts';

/** How threads are laid over `rows` rows of `inner` contiguous elements (or groups of four). */
export interface RowGrid {
  /** Threads that share a row; thread t owns elements t % lanes, t % lanes + lanes, … of row t / lanes. */
  readonly lanes: number;
  readonly workgroups: readonly [number, number, number];
}

/** Threads that keep the device busy; beyond them a longer walk along the row costs less than another thread. */
function usefulThreads(target: PlanTarget): number {
  return target.deviceClass === 'software' ? 1024 : 1_048_576;
}

/**
 * The grid of the kernels that work row by row. Software adapters pay for every invocation and for its integer divisions, so a
 * thread walks a whole row there; on GPUs neighboring threads take neighboring elements of a row (coalesced).
 */
export function rowGrid(rows: number, inner: number, target: PlanTarget): RowGrid {
  const coalesced = target.deviceClass === 'software' ? 1 : 32;
  const lanes = Math.min(inner, Math.max(coalesced, Math.ceil(usefulThreads(target) / rows)));
  return { lanes, workgroups: gridFor(rows * lanes, 64) };
}

/** What the kernels that walk rows by shaders/common/sixAxes.wgsl are dispatched with. */
type RowWalk = Required<Pick<Dispatch, 'uniforms' | 'overrides' | 'workgroups'>>;

/** A walk over a grid of rows of at most five axes, each row shared by `lanes` threads, the last axis of the walk; rows are as in `rowGrid`. */
export function walkRows(extents: readonly number[], inner: number, target: PlanTarget): RowWalk {
  const { lanes } = rowGrid(sizeOf(extents), inner, target);
  const axes = [...extents, lanes];
  const items = sizeOf(axes);
  const walk = walkOver(items, target, 4);
  return {
    uniforms: { items, share: walk.share, lanes, ...axisFields(axes, walk) },
    overrides: { ...walk.overrides, AXES: axes.length },
    workgroups: walk.workgroups,
  };
}

/** The columns of a row that a thread can keep (shaders/common/shortRow.wgsl); 0 where it has more. */
export function shortRow(columns: number): { SHORT: number } {
  return { SHORT: columns <= 8 ? columns : 0 };
}
