import type { KernelDefinition, PlanTarget } from '../../gpu/kernel.ts';
import {
  registerKernel,
  subgroupKernel,
  subgroupTransposedKernel,
  tiledKernel,
  tiledTransposedKernel,
  transposedKernel,
} from './kernels.ts';

/**
 * simple: a thread an output. register: eight rows a thread, no workgroup memory. subgroup: 32 rows a thread, a's numbers handed
 * round in a subgroup of eight lanes. tiled: workgroup memory. All but the first split long k axes.
 */
export const MATMUL_VERSIONS = ['simple', 'register', 'subgroup', 'tiled'] as const;
export type MatmulVersion = (typeof MATMUL_VERSIONS)[number];

/** A kernel and the outputs one workgroup of it owns. */
export interface TiledKernel {
  readonly kernel: KernelDefinition;
  readonly rows: number;
  readonly columns: number;
}

/** The kernels of a version for `a` stored [m, k] and [k, m]. */
export interface Variant {
  readonly straight: TiledKernel;
  readonly transposed: TiledKernel;
}

/** The kernels of a version, null where the target cannot run them. */
export function variantOf(version: Exclude<MatmulVersion, 'simple'>, target: PlanTarget): Variant | null {
  switch (version) {
    case 'register':
      return {
        straight: { kernel: registerKernel, rows: 8, columns: 64 },
        transposed: { kernel: transposedKernel, rows: 8, columns: 96 },
      };
    case 'subgroup':
      if (target.subgroupSize !== 8) return null;
      return {
        straight: { kernel: subgroupKernel, rows: 32, columns: 32 },
        transposed: { kernel: subgroupTransposedKernel, rows: 32, columns: 32 },
      };
    case 'tiled':
      return {
        straight: { kernel: tiledKernel, rows: 64, columns: 64 },
        transposed: { kernel: tiledTransposedKernel, rows: 64, columns: 64 },
      };
    default:
      return version satisfies never;
  }
}

/** The fastest version that can run on the target. */
export function defaultVersion(target: PlanTarget): MatmulVersion {
  if (target.deviceClass === 'gpu') return 'tiled';
  return target.subgroupSize === 8 ? 'subgroup' : 'register';
}
