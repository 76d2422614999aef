/** The versions of a matrix product, the kernels and tiles of each, and which one a target takes. */
import type { PlanTarget, StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { matrixConstants } from '../../gpu/subgroupMatrix.ts';
import type { MatmulGeometry } from './geometry.ts';
import { smallIsFaster, smallTiles, tilesFor, type Variant } from './tiles.ts';

/**
 * simple: one thread per output. register: eight rows per thread, no workgroup memory. subgroup: 32 rows per thread, a's numbers handed
 * round in a subgroup of eight lanes; 16 in one of four. tile: workgroup memory, up to 128 x 128 outputs per workgroup; smallTile: 64 x 64. subgroupMatrix:
 * matrix units, 64 x 64 outputs per workgroup. All but the first split long k axes.
 */
export const MATMUL_VERSIONS = ['simple', 'register', 'subgroup', 'tile', 'smallTile', 'subgroupMatrix'] as const;
export type MatmulVersion = (typeof MATMUL_VERSIONS)[number];

/** The kernels of a version, null where the target cannot run them on operands of that storage. */
export function variantOf(
  version: Exclude<MatmulVersion, 'simple'>,
  target: PlanTarget,
  storage: StorageFormat,
  geometry: MatmulGeometry,
): Variant | null {
  switch (version) {
    case 'register':
      return {
        straight: { kernel: kernel('matmul/register'), rows: 8, columns: 64, threads: 64 },
        transposed: { kernel: kernel('matmul/transposed'), rows: 8, columns: 96, threads: 64 },
      };
    case 'subgroup':
      if (target.subgroupSize === 4) {
        return {
          straight: { kernel: kernel('matmul/quad'), rows: 16, columns: 16, threads: 4 },
          transposed: { kernel: kernel('matmul/quadTransposed'), rows: 16, columns: 16, threads: 4 },
        };
      }
      if (target.subgroupSize !== 8) return null;
      return {
        straight: { kernel: kernel('matmul/subgroup'), rows: 32, columns: 32, threads: 8 },
        transposed: { kernel: kernel('matmul/subgroupTransposed'), rows: 32, columns: 32, threads: 8 },
      };
    case 'tile':
      return tilesFor(geometry);
    case 'smallTile':
      return smallTiles;
    case 'subgroupMatrix': {
      const constants = matrixConstants(target, storage);
      if (!constants) return null;
      const tile = { rows: 64, columns: 64, threads: 4 * constants.LANES, constants };
      return {
        straight: { kernel: kernel('matmul/subgroupMatrix'), ...tile },
        transposed: { kernel: kernel('matmul/subgroupMatrixTransposed'), ...tile },
      };
    }
    default:
      return version satisfies never;
  }
}

/** The version to take where none is asked for. What it takes for GPUs follows from their sizes; it has not been measured. Matrix units are never taken unasked: `gmtl tune` finds where they pay. */
export function defaultVersion({ deviceClass, subgroupSize }: PlanTarget, geometry: MatmulGeometry): MatmulVersion {
  if (deviceClass === 'gpu') return smallIsFaster(geometry) ? 'smallTile' : 'tile';
  return subgroupSize === 8 || subgroupSize === 4 ? 'subgroup' : 'register';
}
