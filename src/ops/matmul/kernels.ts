import type { KernelDefinition } from '../../gpu/kernel.ts';
import { defineKernel } from '../definition.ts';

const bindings = (type: 'f32' | 'vec4f'): KernelDefinition['bindings'] => [
  { name: 'a', access: 'read', type },
  { name: 'b', access: 'read', type },
  { name: 'bias', access: 'read', type: 'f32' },
  { name: 'out', access: 'read_write', type: 'f32' },
  { name: 'pre', access: 'read_write', type: 'f32' },
];

/** See shaders/common/matmulStore.wgsl. */
const epilogueUniforms = { hasBias: 'u32', writesPre: 'u32', relu: 'u32' } as const;

export const simpleKernel = defineKernel({
  name: 'matmul/simple',
  bindings: bindings('f32'),
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
  overrides: ['GELU'],
});

/** Uniforms of the kernels that read packed operands: see shaders/matmul/register.wgsl. */
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
  ...epilogueUniforms,
} as const;

const packedKernel = (
  name: string,
  overrides: readonly string[] = [],
  features: KernelDefinition['features'] = [],
): KernelDefinition =>
  defineKernel({
    name: `matmul/${name}`,
    bindings: bindings('vec4f'),
    uniforms: packedUniforms,
    overrides: ['GELU', ...overrides],
    features,
  });

export const registerKernel = packedKernel('register');
export const subgroupKernel = packedKernel('subgroup', [], ['subgroups']);
export const transposedKernel = packedKernel('transposed');
export const tiledKernel = packedKernel('tiled', ['A_TRANSPOSED']);

export const packKernel = defineKernel({
  name: 'matmul/pack',
  bindings: [
    { name: 'source', access: 'read', type: 'f32' },
    { name: 'packed', access: 'read_write', type: 'vec4f' },
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
  },
});
