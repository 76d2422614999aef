/** What an adapter's subgroups are: how many lanes, and what their matrix units take. */
import { type PlanTarget, SUBGROUP_MATRIX, SUBGROUP_SIZES } from './kernel.ts';
import { matrixShapes, type SubgroupMatrixConfig } from './subgroupMatrix.ts';

/** What Dawn says of subgroups in an adapter's info. */
interface SubgroupInfo {
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig>;
}

/**
 * Lanes to ask for: 16 where the device can have as few, since Intel's compilers spill registers with 32; else its fewest, which is 32 on AMD's
 * RDNA (the width of its units) and 64 on GCN.
 */
const lanesToAskFor = (min: number, max: number): number => Math.min(max, Math.max(min, 16));

/**
 * Subgroups of a GPU's workgroup where each works for itself: a multiprocessor of an H100 holds 64 subgroups and 32 workgroups. No more threads than
 * WebGPU's default limits allow.
 */
export const subgroupsPerWorkgroup = (lanes: number): number => Math.min(8, 256 / lanes);

/** What a plan may know of the subgroups of a device with these features. */
export function subgroupsOf(
  info: GPUAdapterInfo,
  features: { has(name: string): boolean },
): Pick<PlanTarget, 'subgroupSize' | 'subgroupMatrix'> {
  if (!features.has('subgroups')) return { subgroupSize: 0 };
  const { subgroupMinSize: min = 0, subgroupMaxSize: max = 0, subgroupMatrixConfigs = [] } = info as SubgroupInfo;
  const sized = features.has(SUBGROUP_SIZES) && min > 0;
  const subgroupSize = sized ? lanesToAskFor(min, max) : min === max ? min : 0;
  if (!features.has(SUBGROUP_MATRIX)) return { subgroupSize };
  return { subgroupSize, subgroupMatrix: matrixShapes(subgroupMatrixConfigs, subgroupSize || max) };
}
