/** How rows are dealt out to subgroups, for the kernels over shaders/common/lanes.wgsl. */
import type { PlanTarget } from '../gpu/kernel.ts';
import { subgroupsPerWorkgroup } from '../gpu/subgroups.ts';
import { ceilDiv } from '../tensor/shape.ts';

/** Subgroups in flight on a GPU: 64 for each of 128 multiprocessors, as many as an H100's hold. */
const SUBGROUPS = 8192;

/** From this many rows on, workgroups of several subgroups still give each of 128 multiprocessors one. */
const MANY_ROWS = 1024;

/** The subgroups of a dispatch. */
export interface RowLanes {
  /** LANES and SUBGROUPS, and what a kernel needs beyond. */
  readonly constants: Readonly<Record<string, number>>;
  readonly workgroups: number;
  /** Rows that all of them take in one turn. */
  readonly stride: number;
}

/** Deals out `rows`; on a software adapter to at most `most` workgroups, each one subgroup. The target has subgroups. */
export function dealRows(rows: number, target: PlanTarget, most: number): RowLanes {
  const { subgroupSize: LANES, deviceClass } = target;
  const isSoftware = deviceClass === 'software';
  const perWorkgroup = isSoftware || rows < MANY_ROWS ? 1 : subgroupsPerWorkgroup(LANES);
  const workgroups = ceilDiv(Math.min(rows, isSoftware ? most : SUBGROUPS), perWorkgroup);
  return { constants: { LANES, SUBGROUPS: perWorkgroup }, workgroups, stride: workgroups * perWorkgroup };
}
