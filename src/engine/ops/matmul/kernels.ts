/** The kernels of matrix products: for `a` stored [m, k] and (Transposed) [k, m]. */
import { kernel } from '../../gpu/shaderKernel.ts';

export const simpleKernel = kernel('matmul/simple');
export const registerKernel = kernel('matmul/register');
export const subgroupKernel = kernel('matmul/subgroup');
export const tiledKernel = kernel('matmul/tiled');
export const tiled128Kernel = kernel('matmul/tiled128');
export const subgroupMatrixKernel = kernel('matmul/subgroupMatrix');
export const transposedKernel = kernel('matmul/transposed');
export const subgroupTransposedKernel = kernel('matmul/subgroupTransposed');
export const tiledTransposedKernel = kernel('matmul/tiledTransposed');
export const tiled128TransposedKernel = kernel('matmul/tiled128Transposed');
export const subgroupMatrixTransposedKernel = kernel('matmul/subgroupMatrixTransposed');
export const finishKernel = kernel('matmul/finish');
export const packBlockKernel = kernel('matmul/packBlock');
export const packKernel = kernel('matmul/pack');
