/** Which version layer normalization takes, and the dispatches of each. */
import {
  type BufferReference,
  type Dispatch,
  foldGrid,
  gridFor,
  type KernelDefinition,
  type PlanTarget,
  type StorageFormat,
} from '../../gpu/kernel.ts';
import { ceilDiv } from '../../tensor/shape.ts';
import { dealRows, type RowLanes } from '../lanes.ts';

/** The versions of the programs, simplest first: one thread per row, the same in fours, a workgroup for 8 rows, one subgroup per row. */
export const NORM_VERSIONS = ['rows', 'vec4', 'workgroup', 'lanes'] as const;

export type NormVersion = (typeof NORM_VERSIONS)[number];

/** Rows that a workgroup of the 'workgroup' version owns (shaders/common/rowSum.wgsl). */
const ROWS_PER_WORKGROUP = 8;

/** Threads of the row-wise versions: enough for both cores of a software adapter; on a GPU one thread per row. */
const SOFTWARE_THREADS = 512;

/** Groups of four columns that a lane can keep in registers, with their gradients and weights. */
const MOST_PER_LANE = 24;

/** Groups of four columns that a lane takes of each row in the 'lanes' version; null where that cannot run. */
function groupsPerLane(columns: number, { subgroupSize: lanes, features }: PlanTarget): number | null {
  if (columns % 4 !== 0 || lanes === 0 || !features.has('subgroups')) return null;
  const perLane = Math.ceil(columns / 4 / lanes);
  return perLane <= MOST_PER_LANE ? perLane : null;
}

/**
 * Elements from which the 'lanes' version is worth its compilation on a software adapter: it is a kernel of its own for every number of columns,
 * unrolled (0.1 to 2.5 s each on lavapipe), where one 'vec4' kernel serves all. At 1.2 million elements it saves 2 ms forward, 6 backward.
 */
const LANES_FROM = 2 ** 20;

/** The version to use: `version` where it can serve this number of columns on the target, else null; without one the best. */
export function chooseVersion(
  rows: number,
  columns: number,
  target: PlanTarget,
  version: string | undefined,
): NormVersion | null {
  const aligned = columns % 4 === 0;
  const lanes = groupsPerLane(columns, target) !== null;
  switch (version) {
    case undefined:
      // With SwiftShader's four lanes it was no faster forward and half as slow again backward as 'vec4'.
      if (lanes && target.subgroupSize >= 8 && (target.deviceClass !== 'software' || rows * columns >= LANES_FROM))
        return 'lanes';
      if (target.deviceClass !== 'software') return 'workgroup';
      return aligned ? 'vec4' : 'rows';
    case 'rows':
    case 'workgroup':
      return version;
    case 'vec4':
      return aligned ? version : null;
    case 'lanes':
      return lanes ? version : null;
    default:
      return null;
  }
}

/** A dispatch of a row-wise kernel in one of the versions but 'lanes'. */
export function rowDispatch(
  version: Exclude<NormVersion, 'lanes'>,
  kernels: { readonly rows: KernelDefinition; readonly workgroup: KernelDefinition },
  buffers: Readonly<Record<string, BufferReference>>,
  rows: number,
  columns: number,
  uniforms: Readonly<Record<string, number>>,
  storage: StorageFormat,
  target: PlanTarget,
): Dispatch {
  if (version === 'workgroup') {
    const kernel = kernels.workgroup;
    const workgroups = foldGrid(Math.ceil(rows / ROWS_PER_WORKGROUP));
    return { kernel, buffers, storage, uniforms: { rows, columns, ...uniforms }, workgroups };
  }
  const workgroups = gridFor(target.deviceClass === 'software' ? Math.min(rows, SOFTWARE_THREADS) : rows, 64);
  const stride = workgroups[0] * workgroups[1] * 64;
  const width = version === 'vec4' ? 4 : 1;
  const extent = { rows, columns: columns / width, stride };
  return { kernel: kernels.rows, width, buffers, storage, uniforms: { ...extent, ...uniforms }, workgroups };
}

/** Workgroups of the 'lanes' version on a software adapter. */
const SOFTWARE_WORKGROUPS = 16;

/** From this many rows on, pairs of them still give every subgroup of a GPU one. */
const PAIRS_FROM = 16_384;

/** Groups per lane with which a GPU's subgroup takes two rows per turn: with more, a row's own loads are enough, and two rows' take too many registers. */
const PAIRED_PER_LANE = 2;

/** The subgroups of the 'lanes' version, where that can run. */
export function dealLanes(rows: number, columns: number, target: PlanTarget): RowLanes {
  const PER_LANE = groupsPerLane(columns, target) ?? 0;
  const isPaired = target.deviceClass === 'gpu' && rows >= PAIRS_FROM && PER_LANE <= PAIRED_PER_LANE;
  const ROWS = isPaired ? 2 : 1;
  const { constants, workgroups, stride } = dealRows(ceilDiv(rows, ROWS), target, SOFTWARE_WORKGROUPS);
  return { constants: { ...constants, PER_LANE, ROWS }, workgroups, stride: stride * ROWS };
}

/** A dispatch of a 'lanes' kernel. */
export function laneDispatch(
  kernel: KernelDefinition,
  buffers: Readonly<Record<string, BufferReference>>,
  rows: number,
  columns: number,
  { constants, workgroups, stride }: RowLanes,
  uniforms: Readonly<Record<string, number>>,
  storage: StorageFormat,
): Dispatch {
  return {
    kernel,
    buffers,
    storage,
    uniforms: { rows, groups: columns / 4, stride, ...uniforms },
    constants,
    workgroups: foldGrid(workgroups),
  };
}
