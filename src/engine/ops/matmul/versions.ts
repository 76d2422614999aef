/** The versions of a matrix product, the kernels and tiles of each, and which one a target takes. */
import type { KernelDefinition, PlanTarget, StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { matrixConstants } from '../../gpu/subgroupMatrix.ts';
import type { MatmulGeometry } from './geometry.ts';

/**
 * simple: one thread per output. register: eight rows per thread, no workgroup memory. subgroup: 32 rows per thread, a's numbers handed
 * round in a subgroup of eight lanes. tiled, tiled128: workgroup memory, 64 x 64 and 128 x 128 outputs a workgroup. subgroupMatrix:
 * matrix units, 64 x 64 outputs a workgroup. All but the first split long k axes.
 */
export const MATMUL_VERSIONS = ['simple', 'register', 'subgroup', 'tiled', 'tiled128', 'subgroupMatrix'] as const;
export type MatmulVersion = (typeof MATMUL_VERSIONS)[number];

/** A kernel and the outputs one workgroup of it owns. */
export interface TiledKernel {
  readonly kernel: KernelDefinition;
  readonly rows: number;
  readonly columns: number;
  readonly constants?: Readonly<Record<string, number>>;
}

/** The kernels of a version for `a` stored [m, k] and [k, m]. */
export interface Variant {
  readonly straight: TiledKernel;
  readonly transposed: TiledKernel;
}

/** The kernels of a version, null where the target cannot run them on operands of that storage. */
export function variantOf(
  version: Exclude<MatmulVersion, 'simple'>,
  target: PlanTarget,
  storage: StorageFormat,
): Variant | null {
  switch (version) {
    case 'register':
      return {
        straight: { kernel: kernel('matmul/register'), rows: 8, columns: 64 },
        transposed: { kernel: kernel('matmul/transposed'), rows: 8, columns: 96 },
      };
    case 'subgroup':
      if (target.subgroupSize !== 8) return null;
      return {
        straight: { kernel: kernel('matmul/subgroup'), rows: 32, columns: 32 },
        transposed: { kernel: kernel('matmul/subgroupTransposed'), rows: 32, columns: 32 },
      };
    case 'tiled':
      return {
        straight: { kernel: kernel('matmul/tiled'), rows: 64, columns: 64 },
        transposed: { kernel: kernel('matmul/tiledTransposed'), rows: 64, columns: 64 },
      };
    case 'tiled128':
      return {
        straight: { kernel: kernel('matmul/tiled128'), rows: 128, columns: 128 },
        transposed: { kernel: kernel('matmul/tiled128Transposed'), rows: 128, columns: 128 },
      };
    case 'subgroupMatrix': {
      const constants = matrixConstants(target, storage);
      if (!constants) return null;
      const tile = { rows: 64, columns: 64, constants };
      return {
        straight: { kernel: kernel('matmul/subgroupMatrix'), ...tile },
        transposed: { kernel: kernel('matmul/subgroupMatrixTransposed'), ...tile },
      };
    }
    default:
      return version satisfies never;
  }
}

/** Tiles of 128 x 128 that keep a large GPU busy; with fewer, smaller tiles spread the work better. */
const MANY_TILES = 128;

/** Whether few of the outputs that tiles of 128 x 128 cover lie past the ends. */
function fillsTiles(m: number, n: number): boolean {
  const covered = Math.ceil(m / 128) * Math.ceil(n / 128) * 128 * 128;
  return m * n >= 0.75 * covered;
}

/** The version to take where none is asked for. What it takes for GPUs follows from their sizes; it has not been measured. Matrix units are never taken unasked: `gmtl tune` finds where they pay. */
export function defaultVersion(target: PlanTarget, { batch, m, n, k, transposeA }: MatmulGeometry): MatmulVersion {
  if (target.deviceClass === 'gpu') {
    // A weight gradient's long k axis is cut into parts, each with tiles of its own.
    const parts = transposeA ? Math.max(1, Math.floor(k / 1024)) : 1;
    const tiles = batch * parts * Math.ceil(m / 128) * Math.ceil(n / 128);
    return tiles >= MANY_TILES && fillsTiles(m, n) ? 'tiled128' : 'tiled';
  }
  return target.subgroupSize === 8 ? 'subgroup' : 'register';
}
