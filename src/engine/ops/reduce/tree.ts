/** How workgroups of a GPU share the rows of a sum: the numbers of shaders/common/columnTree.wgsl. */
import { foldGrid } from '../../gpu/kernel.ts';

/** Lanes of a workgroup. */
const TREE_LANES = 256;

/** Items side by side: neighboring lanes read neighboring addresses, a whole cache line of them. */
const MOST_COLUMNS = 16;

/** Workgroups that keep a large GPU's memory busy: 65,536 threads. */
const WANTED_WORKGROUPS = 256;

/** Rows of a lane: at least, where a sum is cut into chunks, and at most, since the loads of a lane wait for one another in fours. */
const FEWEST_ROWS = 16;
const MOST_ROWS = 256;

/** Items that a workgroup owns side by side, a power of two. */
export function treeColumns(items: number): number {
  return Math.min(MOST_COLUMNS, 2 ** Math.ceil(Math.log2(Math.max(1, items))));
}

/** How `rows` of `items` each are cut into workgroups, `outer` times. */
export interface TreeTiling {
  /** Items of a workgroup, the override COLUMNS. */
  readonly columns: number;
  /** Rows of a workgroup at a time. */
  readonly group: number;
  /** Workgroups side by side. */
  readonly blocks: number;
  /** Workgroups along the rows, whose results a second pass adds up. */
  readonly chunks: number;
  readonly workgroups: number;
  readonly grid: [number, number, number];
}

export function treeTiling(rows: number, items: number, outer = 1): TreeTiling {
  const columns = treeColumns(items);
  const group = TREE_LANES / columns;
  const blocks = Math.ceil(items / columns);
  const forThreads = Math.min(
    Math.ceil(WANTED_WORKGROUPS / (outer * blocks)),
    Math.floor(rows / (group * FEWEST_ROWS)),
  );
  const chunks = Math.max(1, forThreads, Math.ceil(rows / (group * MOST_ROWS)));
  const workgroups = outer * blocks * chunks;
  return { columns, group, blocks, chunks, workgroups, grid: foldGrid(workgroups) };
}
