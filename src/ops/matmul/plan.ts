import {
  type BufferReference,
  type Dispatch,
  foldGrid,
  gridFor,
  type KernelDefinition,
  type Plan,
  type PlanTarget,
} from '../../gpu/kernel.ts';
import { ceilDiv } from '../../tensor/shape.ts';
import { planSum } from '../reduce/plan.ts';
import type { Activation, MatmulGeometry } from './geometry.ts';
import { packKernel, registerKernel, simpleKernel, subgroupKernel, tiledKernel, transposedKernel } from './kernels.ts';

/**
 * simple: a thread an output. register: eight rows a thread, no workgroup memory. subgroup: the same with a's numbers handed
 * round in a subgroup of eight lanes. tiled: workgroup memory. All but the first split long k axes.
 */
export const MATMUL_VERSIONS = ['simple', 'register', 'subgroup', 'tiled'] as const;
export type MatmulVersion = (typeof MATMUL_VERSIONS)[number];

export interface Epilogue {
  readonly hasBias: boolean;
  readonly activation: Activation;
}

/** A kernel and the outputs one workgroup of it owns. */
interface TiledKernel {
  readonly kernel: KernelDefinition;
  readonly rows: number;
  readonly columns: number;
  readonly overrides?: Readonly<Record<string, number>>;
}

/** The kernels of a version for `a` stored [m, k] and [k, m]. */
interface Variant {
  readonly straight: TiledKernel;
  readonly transposed: TiledKernel;
}

/** An operand as the fast kernels read it: rows of `stride` vec4f. */
interface PackedOperand {
  readonly buffer: BufferReference;
  readonly stride: number;
  readonly batchStride: number;
}

/**
 * Buffers of the epilogue. Every binding must be given: without a bias `b` stands in (it is not read), without an
 * activation a scratch word for `pre` (it is not written, and an output may not be bound twice).
 */
function epilogueBuffers(
  { hasBias, activation }: Epilogue,
  scratch: number[],
): Record<'bias' | 'pre', BufferReference> {
  if (activation === 'none') scratch.push(16);
  return {
    bias: hasBias ? 'in2' : 'in1',
    pre: activation === 'none' ? `tmp${scratch.length - 1}` : 'out1',
  };
}

const epilogueUniforms = ({ hasBias, activation }: Epilogue): Record<string, number> => ({
  hasBias: hasBias ? 1 : 0,
  writesPre: activation === 'none' ? 0 : 1,
  relu: activation === 'relu' ? 1 : 0,
});

const epilogueOverrides = ({ activation }: Epilogue): Record<string, number> => ({
  GELU: activation === 'gelu' ? 1 : 0,
});

function simplePlan(geometry: MatmulGeometry, epilogue: Epilogue): Plan {
  const { batch, m, n, k, aBatched, bBatched, transposeA, transposeB } = geometry;
  const scratch: number[] = [];
  const size = batch * m * n;
  const dispatch: Dispatch = {
    kernel: simpleKernel,
    buffers: { a: 'in0', b: 'in1', out: 'out0', ...epilogueBuffers(epilogue, scratch) },
    uniforms: {
      m,
      n,
      k,
      size,
      aBatch: aBatched ? m * k : 0,
      aRow: transposeA ? 1 : k,
      aInner: transposeA ? m : 1,
      bBatch: bBatched ? k * n : 0,
      bInner: transposeB ? 1 : n,
      bColumn: transposeB ? k : 1,
      ...epilogueUniforms(epilogue),
    },
    overrides: epilogueOverrides(epilogue),
    workgroups: gridFor(size, 64),
  };
  return { dispatches: [dispatch], scratch };
}

/** Copies an operand into scratch as `rows` rows of `columns` elements, both padded with zeros to multiples of four. */
function packOperand(
  source: BufferReference,
  batch: number,
  [rows, columns]: readonly [number, number],
  transposed: boolean,
  dispatches: Dispatch[],
  scratch: number[],
): PackedOperand {
  const packedRows = ceilDiv(rows, 4) * 4;
  const quads = ceilDiv(columns, 4);
  const size = batch * packedRows * quads;
  const buffer: BufferReference = `tmp${scratch.length}`;
  scratch.push(size * 16);
  dispatches.push({
    kernel: packKernel,
    buffers: { source, packed: buffer },
    uniforms: {
      size,
      rows: packedRows,
      quads,
      sourceRows: rows,
      sourceColumns: columns,
      batch: rows * columns,
      row: transposed ? 1 : columns,
      column: transposed ? rows : 1,
    },
    workgroups: gridFor(size, 64),
  });
  return { buffer, stride: quads, batchStride: batch > 1 ? packedRows * quads : 0 };
}

/** Most bytes that the partial sums of a split product may take. */
const MOST_PARTIAL_BYTES = 2 ** 25;

/**
 * Parts of the k axis. With few tiles it is cut to keep the device busy; on a software adapter a transposed `a` is cut also
 * so that the rows of a and b of one part stay in a core's cache while all tiles walk over them.
 */
function partsOf({ m, n, k }: MatmulGeometry, tiles: number, aTransposed: boolean, target: PlanTarget): number {
  const software = target.deviceClass === 'software';
  const forThreads = ceilDiv(software ? 64 : 512, tiles);
  const forCache = software && aTransposed ? ceilDiv(k, 1024) : 1;
  const most = Math.min(Math.floor(k / 64), Math.floor(MOST_PARTIAL_BYTES / (4 * m * n)));
  return Math.min(Math.max(forThreads, forCache), most);
}

/**
 * The fast kernels read b as [k, n] and a as [m, k] or [k, m], in rows of whole vec4f; an operand that is stored otherwise is
 * packed first (of a linear layer that is the weight, the small one). A long k axis with few outputs is cut into chunks, whose
 * sums are added in a second pass in a fixed order.
 */
function packedPlan(geometry: MatmulGeometry, epilogue: Epilogue, variant: Variant, target: PlanTarget): Plan {
  const { batch, m, n, k, aBatched, bBatched, transposeA, transposeB } = geometry;
  const dispatches: Dispatch[] = [];
  const scratch: number[] = [];

  const aTransposed = transposeA && m % 4 === 0;
  const oddK = !aTransposed && k % 4 !== 0;
  const a: PackedOperand =
    aTransposed || (!transposeA && !oddK)
      ? { buffer: 'in0', stride: (aTransposed ? m : k) / 4, batchStride: aBatched ? (m * k) / 4 : 0 }
      : packOperand('in0', aBatched ? batch : 1, [m, k], transposeA, dispatches, scratch);
  const b: PackedOperand =
    !transposeB && n % 4 === 0 && !oddK
      ? { buffer: 'in1', stride: n / 4, batchStride: bBatched ? (n * k) / 4 : 0 }
      : packOperand('in1', bBatched ? batch : 1, [k, n], transposeB, dispatches, scratch);

  const tiled = aTransposed ? variant.transposed : variant.straight;
  const tilesM = ceilDiv(m, tiled.rows);
  const tilesN = ceilDiv(n, tiled.columns);
  const tiles = batch * tilesM * tilesN;
  const splittable = batch === 1 && !epilogue.hasBias && epilogue.activation === 'none';
  const wanted = splittable ? partsOf(geometry, tiles, aTransposed, target) : 1;
  const chunk = wanted > 1 ? ceilDiv(ceilDiv(k, wanted), 4) * 4 : k;
  const slices = wanted > 1 ? ceilDiv(k, chunk) : batch;
  const split = wanted > 1 && slices > 1;

  const buffers = epilogueBuffers(epilogue, scratch);
  const partial: BufferReference = `tmp${scratch.length}`;
  if (split) scratch.push(slices * m * n * 4);
  dispatches.push({
    kernel: tiled.kernel,
    buffers: { a: a.buffer, b: b.buffer, out: split ? partial : 'out0', ...buffers },
    uniforms: {
      m,
      n,
      k,
      chunk,
      split: split ? 1 : 0,
      slices,
      tilesM,
      tilesN,
      aStride: a.stride,
      aBatch: a.batchStride,
      bStride: b.stride,
      bBatch: b.batchStride,
      ...epilogueUniforms(epilogue),
    },
    overrides: { ...epilogueOverrides(epilogue), ...tiled.overrides },
    workgroups: foldGrid(slices * tilesM * tilesN),
  });
  if (split) {
    dispatches.push(
      ...planSum(partial, 'out0', [{ outer: 1, extent: slices, inner: m * n }], 1, target, undefined, scratch),
    );
  }
  return { dispatches, scratch };
}

const TRANSPOSED: TiledKernel = { kernel: transposedKernel, rows: 8, columns: 96 };
const TILED = { kernel: tiledKernel, rows: 64, columns: 64 };

function variantOf(version: Exclude<MatmulVersion, 'simple'>, target: PlanTarget): Variant | null {
  switch (version) {
    case 'register':
      return { straight: { kernel: registerKernel, rows: 8, columns: 64 }, transposed: TRANSPOSED };
    case 'subgroup':
      if (target.subgroupSize !== 8) return null;
      return { straight: { kernel: subgroupKernel, rows: 8, columns: 32 }, transposed: TRANSPOSED };
    case 'tiled':
      return {
        straight: { ...TILED, overrides: { A_TRANSPOSED: 0 } },
        transposed: { ...TILED, overrides: { A_TRANSPOSED: 1 } },
      };
    default:
      return version satisfies never;
  }
}

/** The fastest version that can run on the target. */
function defaultVersion(target: PlanTarget): MatmulVersion {
  if (target.deviceClass === 'gpu') return 'tiled';
  return target.subgroupSize === 8 ? 'subgroup' : 'register';
}

/** The dispatches of a product in `version`, by default the fastest; null where the target cannot run that version. */
export function matmulPlan(
  geometry: MatmulGeometry,
  epilogue: Epilogue,
  target: PlanTarget,
  version: string = defaultVersion(target),
): Plan | null {
  const known = MATMUL_VERSIONS.find((name) => name === version);
  if (known === undefined) return null;
  if (known === 'simple') return simplePlan(geometry, epilogue);
  const variant = variantOf(known, target);
  return variant && packedPlan(geometry, epilogue, variant, target);
}
