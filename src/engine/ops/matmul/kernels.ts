import type { BindingDefinition, KernelDefinition } from '../../gpu/kernel.ts';
import { MATRIX_KERNEL } from '../../gpu/subgroupMatrix.ts';
import { defineKernel } from '../definition.ts';

const bindings = (type: 'Scalar' | 'Vec4'): readonly BindingDefinition[] => [
  { name: 'a', access: 'read', type },
  { name: 'b', access: 'read', type },
  { name: 'bias', access: 'read', type: 'f32' },
  { name: 'scale', access: 'read', type: 'f32' },
  { name: 'factor', access: 'read', type: 'f32' },
  { name: 'side', access: 'read', type: 'Scalar' },
  { name: 'out', access: 'read_write', type: 'Result' },
  { name: 'slope', access: 'read_write', type: 'Scalar' },
];

/** See shaders/common/product.wgsl. */
const epilogueUniforms = {
  hasBias: 'u32',
  activation: 'u32',
  hasScale: 'u32',
  rowsPerFactor: 'u32',
  side: 'u32',
  writesSlope: 'u32',
  gain: 'f32',
} as const;

export const simpleKernel = defineKernel({
  name: 'matmul/simple',
  bindings: bindings('Scalar'),
  uniforms: {
    m: 'u32',
    n: 'u32',
    k: 'u32',
    size: 'u32',
    aBatch: 'u32',
    aRow: 'u32',
    aInner: 'u32',
    bBatch: 'u32',
    bInner: 'u32',
    bColumn: 'u32',
    ...epilogueUniforms,
  },
});

/** Uniforms of the kernels that read packed operands: see shaders/common/product.wgsl. */
const packedUniforms = {
  m: 'u32',
  n: 'u32',
  k: 'u32',
  chunk: 'u32',
  split: 'u32',
  slices: 'u32',
  tilesM: 'u32',
  tilesN: 'u32',
  aStride: 'u32',
  aBatch: 'u32',
  bStride: 'u32',
  bBatch: 'u32',
} as const;

/** A kernel for `a` stored [m, k]. */
const straightKernel = (
  name: string,
  { features = [], constants }: Pick<KernelDefinition, 'features' | 'constants'> = {},
): KernelDefinition =>
  defineKernel({
    constants,
    name: `matmul/${name}`,
    bindings: bindings('Vec4'),
    uniforms: { ...packedUniforms, ...epilogueUniforms },
    features,
  });

/** A kernel for `a` stored [k, m]: see shaders/common/productTransposed.wgsl. */
const transposedProductKernel = (
  name: string,
  { features = [], constants }: Pick<KernelDefinition, 'features' | 'constants'> = {},
): KernelDefinition =>
  defineKernel({
    constants,
    name: `matmul/${name}`,
    bindings: [
      { name: 'a', access: 'read', type: 'Vec4' },
      { name: 'b', access: 'read', type: 'Vec4' },
      { name: 'out', access: 'read_write', type: 'Result' },
      { name: 'sums', access: 'read_write', type: 'vec4f' },
    ],
    uniforms: { ...packedUniforms, hasSums: 'u32' },
    features,
  });

export const registerKernel = straightKernel('register');
export const subgroupKernel = straightKernel('subgroup', { features: ['subgroups'] });
export const tiledKernel = straightKernel('tiled');
export const tiled128Kernel = straightKernel('tiled128');
export const transposedKernel = transposedProductKernel('transposed');
export const subgroupTransposedKernel = transposedProductKernel('subgroupTransposed', { features: ['subgroups'] });
export const tiledTransposedKernel = transposedProductKernel('tiledTransposed');
export const tiled128TransposedKernel = transposedProductKernel('tiled128Transposed');

export const subgroupMatrixKernel = straightKernel('subgroupMatrix', MATRIX_KERNEL);
export const subgroupMatrixTransposedKernel = transposedProductKernel('subgroupMatrixTransposed', MATRIX_KERNEL);

export const finishKernel = defineKernel({
  name: 'matmul/finish',
  bindings: [
    { name: 'partial', access: 'read', type: 'vec4f' },
    { name: 'partialSums', access: 'read', type: 'vec4f' },
    { name: 'out', access: 'read_write', type: 'Result4' },
    { name: 'sums', access: 'read_write', type: 'vec4f' },
  ],
  uniforms: { slices: 'u32', size: 'u32', sumsSize: 'u32' },
});

export const packBlockKernel = defineKernel({
  name: 'matmul/packBlock',
  bindings: [
    { name: 'source', access: 'read', type: 'Vec4' },
    { name: 'scale', access: 'read', type: 'vec4f' },
    { name: 'packed', access: 'read_write', type: 'Vec4' },
  ],
  uniforms: { size: 'u32', rows4: 'u32', columns4: 'u32', transposed: 'u32', hasScale: 'u32', gain: 'f32' },
});

export const packKernel = defineKernel({
  name: 'matmul/pack',
  bindings: [
    { name: 'source', access: 'read', type: 'Scalar' },
    { name: 'scale', access: 'read', type: 'f32' },
    { name: 'packed', access: 'read_write', type: 'Vec4' },
  ],
  uniforms: {
    size: 'u32',
    rows: 'u32',
    quads: 'u32',
    sourceRows: 'u32',
    sourceColumns: 'u32',
    batch: 'u32',
    row: 'u32',
    column: 'u32',
    hasScale: 'u32',
    gain: 'f32',
  },
});
