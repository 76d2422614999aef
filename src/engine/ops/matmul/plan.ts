/** Plans a product in one of its versions: packing, tiles, parts of the k axis. */
import {
  type BufferReference,
  foldGrid,
  gridFor,
  type PlanTarget,
  type StorageFormat,
  type Width,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { ceilDiv } from '../../tensor/shape.ts';
import { sumPair } from '../reduce/columnPairs.ts';
import { planSum } from '../reduce/plan.ts';
import { wholeRounds } from '../rounds.ts';
import { type Epilogue, epilogueBuffers, epilogueUniforms, isPlain } from './epilogue.ts';
import { type Draft, scratchOf } from './draft.ts';
import type { MatmulGeometry } from './geometry.ts';
import { type InnerScale, type PackedOperand, packOperand } from './pack.ts';
import type { TiledKernel } from './tiles.ts';
import { defaultVersion, MATMUL_VERSIONS, variantOf } from './versions.ts';

/** A product to plan: its operands, where it goes and what it ends in. */
export interface Product {
  readonly geometry: MatmulGeometry;
  readonly a: BufferReference;
  readonly b: BufferReference;
  readonly out: BufferReference;
  /** Element format of a, b, kept and side, and of out. */
  readonly storage?: StorageFormat;
  readonly result?: StorageFormat;
  readonly epilogue?: Epilogue;
  /** Multiplies b's rows, that is the terms of the sum; `epilogue.gain` can undo its gain. */
  readonly inner?: InnerScale | undefined;
  /** The operand that stands for gelu of itself, where `bringsGelu`. */
  readonly gelu?: 'a' | 'b' | undefined;
  /** Takes the sums over k of an `a` stored [k, m] alone, [m]: of a weight gradient, the bias's. Not of batches. */
  readonly sums?: BufferReference | undefined;
}

type Operands = Omit<Product, 'out'>;

/** Whether the kernel takes the operand through gelu as it brings it, which it does from where that is stored. */
function appliesGelu(
  { geometry, gelu, inner }: Operands,
  { appliesGelu: can }: TiledKernel,
  transposed: boolean,
): boolean {
  const { n, k, transposeA, transposeB } = geometry;
  if (!can) return false;
  return transposed ? gelu === 'b' && !transposeB && n % 4 === 0 && !inner : gelu === 'a' && !transposeA && k % 4 === 0;
}

const geluOverride = ({ gelu }: Operands): Record<string, number> | undefined => (gelu ? { GELU: 1 } : undefined);

/** The sums of a's columns as dispatches of their own. */
function sumRows({ geometry: { k, m }, a, sums, storage }: Product, target: PlanTarget, draft: Draft): void {
  if (!sums) return;
  const stages = [{ outer: 1, extent: k, inner: m }];
  draft.dispatches.push(...planSum(a, sums, stages, 1, target, undefined, draft.scratch, { storage }));
}

function simpleProduct(product: Product, target: PlanTarget, draft: Draft): void {
  const { geometry, a, out, inner, epilogue = {} } = product;
  const { batch, m, n, k, aBatched, bBatched, transposeA, transposeB } = geometry;
  const size = batch * m * n;
  const packed = inner && packOperand(product.b, bBatched ? batch : 1, [k, n], transposeB, product, draft, inner);
  const row = packed ? packed.stride * 4 : n;
  draft.dispatches.push({
    kernel: kernel('matmul/simple'),
    storage: product.storage,
    result: product.result,
    buffers: {
      a,
      b: packed?.buffer ?? product.b,
      out,
      ...epilogueBuffers(epilogue, a, () => scratchOf(draft, 16)),
    },
    uniforms: {
      m,
      n,
      k,
      size,
      aBatch: aBatched ? m * k : 0,
      aRow: transposeA ? 1 : k,
      aInner: transposeA ? m : 1,
      bBatch: packed ? packed.batchStride * 4 : bBatched ? k * n : 0,
      bInner: transposeB && !packed ? 1 : row,
      bColumn: transposeB && !packed ? k : 1,
      ...epilogueUniforms(epilogue),
    },
    workgroups: gridFor(size, 64),
  });
  sumRows(product, target, draft);
}

/** Most bytes that the partial sums of a split product may take. */
const MOST_PARTIAL_BYTES = 2 ** 25;

/**
 * Parts of the k axis. With few tiles it is cut to keep the device busy, a GPU in whole rounds; on a software adapter a transposed `a` is cut also
 * so that the rows of a and b of one part stay in a core's cache while all tiles walk over them.
 */
function partsOf(
  { m, n, k }: MatmulGeometry,
  tiles: number,
  threads: number,
  aTransposed: boolean,
  target: PlanTarget,
): number {
  const software = target.deviceClass === 'software';
  const forThreads = software ? ceilDiv(32, tiles) : Math.floor(wholeRounds(tiles, threads) / tiles);
  const forCache = software && aTransposed ? ceilDiv(k, 1024) : 1;
  const most = Math.min(Math.floor(k / 64), Math.floor(MOST_PARTIAL_BYTES / (4 * m * n)));
  return Math.min(Math.max(forThreads, forCache), most);
}

/** How a product is cut into workgroups: tiles of the output, for batch entries or for parts of the k axis. */
interface Tiling {
  readonly chunk: number;
  readonly slices: number;
  readonly tilesM: number;
  readonly tilesN: number;
  readonly split: boolean;
}

function tilingOf(
  product: Pick<Product, 'geometry' | 'epilogue'>,
  { rows, columns, threads }: TiledKernel,
  transposed: boolean,
  target: PlanTarget,
): Tiling {
  const { geometry, epilogue = {} } = product;
  const { batch, m, n, k } = geometry;
  const tilesM = ceilDiv(m, rows);
  const tilesN = ceilDiv(n, columns);
  const splittable = batch === 1 && isPlain(epilogue);
  const wanted = splittable ? partsOf(geometry, tilesM * tilesN, threads, transposed, target) : 1;
  const chunk = wanted > 1 ? ceilDiv(ceilDiv(k, wanted), 4) * 4 : k;
  const parts = ceilDiv(k, chunk);
  return parts > 1
    ? { chunk, slices: parts, tilesM, tilesN, split: true }
    : { chunk: k, slices: batch, tilesM, tilesN, split: false };
}

const tilingUniforms = ({ split, ...counts }: Tiling): Record<string, number> => ({ ...counts, split: split ? 1 : 0 });

/** Elements of a row that are written at a time. Software adapters without quads keep to one: each width is a pipeline of its own, and it takes long over those. */
const widthOf = (n: number, { deviceClass, subgroupSize }: PlanTarget): Width | undefined =>
  (deviceClass === 'gpu' || subgroupSize === 4) && n % 4 === 0 ? 4 : undefined;

/** Whether the kernels for `a` stored [k, m] serve. They have no epilogue. */
const isTransposed = ({
  geometry: { transposeA, m },
  epilogue = {},
}: Pick<Product, 'geometry' | 'epilogue'>): boolean => transposeA && m % 4 === 0 && isPlain(epilogue);

/** b as [k, n] in rows of whole vec4f. */
function packedB(product: Operands, needsWholeK: boolean, draft: Draft): PackedOperand {
  const { geometry, b, inner } = product;
  const { batch, n, k, bBatched, transposeB } = geometry;
  if (transposeB || n % 4 !== 0 || (needsWholeK && k % 4 !== 0) || inner)
    return packOperand(b, bBatched ? batch : 1, [k, n], transposeB, product, draft, inner);
  return { buffer: b, stride: n / 4, batchStride: bBatched ? (n * k) / 4 : 0 };
}

/**
 * A product whose `a` is [m, k]. The kernels read a and b as [k, n] in rows of whole vec4f; an operand that is stored
 * otherwise is packed first (of a linear layer that is the weight, the small one). A long k axis with few outputs is cut into
 * chunks, whose sums are added in a second pass in a fixed order.
 */
function straightProduct(product: Product, tiled: TiledKernel, target: PlanTarget, draft: Draft): void {
  const { geometry, out, storage, result, epilogue = {} } = product;
  const { batch, m, n, k, aBatched, transposeA } = geometry;
  const a: PackedOperand =
    !transposeA && k % 4 === 0
      ? { buffer: product.a, stride: k / 4, batchStride: aBatched ? (m * k) / 4 : 0 }
      : packOperand(product.a, aBatched ? batch : 1, [m, k], transposeA, product, draft);
  const b = packedB(product, true, draft);
  const tiling = tilingOf(product, tiled, false, target);
  const { split, slices, tilesM, tilesN } = tiling;
  const to = split ? scratchOf(draft, slices * m * n * 4) : out;
  draft.dispatches.push({
    kernel: tiled.kernel,
    constants: tiled.constants,
    overrides: geluOverride(product),
    width: widthOf(n, target),
    storage,
    result: split ? undefined : result,
    buffers: {
      a: a.buffer,
      b: b.buffer,
      out: to,
      ...epilogueBuffers(epilogue, product.a, () => scratchOf(draft, 16)),
    },
    uniforms: {
      m,
      n,
      k,
      ...tilingUniforms(tiling),
      aStride: a.stride,
      aBatch: a.batchStride,
      bStride: b.stride,
      bBatch: b.batchStride,
      ...epilogueUniforms(epilogue),
    },
    workgroups: foldGrid(slices * tilesM * tilesN),
  });
  if (split) {
    const stages = [{ outer: 1, extent: slices, inner: m * n }];
    draft.dispatches.push(...planSum(to, out, stages, 1, target, undefined, draft.scratch, { result }));
  }
  sumRows(product, target, draft);
}

/** Partial sums of a product whose k axis is cut: [slices, m, n], and of a's own [slices, m]. */
export interface Parts {
  readonly slices: number;
  readonly partial: BufferReference;
  readonly partialSums: BufferReference;
}

/**
 * The parts of a product whose `a` is [k, m]. Where the k axis stays whole they are what the product wants, and go to `out` and `sums`
 * if there are such.
 */
function transposedParts(
  product: Operands & { readonly out?: BufferReference },
  tiled: TiledKernel,
  target: PlanTarget,
  draft: Draft,
): Parts {
  const { geometry, a, out, sums, storage, result } = product;
  const { m, n, k, aBatched } = geometry;
  const b = packedB(product, false, draft);
  const tiling = tilingOf(product, tiled, true, target);
  const { split, slices, tilesM, tilesN } = tiling;
  const whole = !split && out !== undefined;
  const partial = whole ? out : scratchOf(draft, slices * m * n * 4);
  const partialSums = (whole ? sums : undefined) ?? scratchOf(draft, slices * m * 4);
  draft.dispatches.push({
    kernel: tiled.kernel,
    constants: tiled.constants,
    overrides: geluOverride(product),
    width: widthOf(n, target),
    storage,
    result: whole ? result : undefined,
    buffers: { a, b: b.buffer, out: partial, sums: partialSums },
    uniforms: {
      m,
      n,
      k,
      ...tilingUniforms(tiling),
      aStride: m / 4,
      aBatch: aBatched ? (m * k) / 4 : 0,
      bStride: b.stride,
      bBatch: b.batchStride,
      hasSums: sums ? 1 : 0,
    },
    workgroups: foldGrid(slices * tilesM * tilesN),
  });
  return { slices: split ? slices : 1, partial, partialSums };
}

/** A product whose `a` is [k, m], with a's own sums where they are wanted; one second pass for both where the k axis is cut. */
function transposedProduct(product: Product, tiled: TiledKernel, target: PlanTarget, draft: Draft): void {
  const { out, sums, result, geometry } = product;
  const { slices, partial, partialSums } = transposedParts(product, tiled, target, draft);
  if (slices === 1) return;
  const { m, n } = geometry;
  draft.dispatches.push(
    sumPair(
      slices,
      { from: partial, to: out, size: m * n },
      { from: partialSums, to: sums ?? scratchOf(draft, 16), size: sums ? m : 0 },
      target,
      result,
    ),
  );
}

/** The tiled kernel of `version` for the product's operands; null for the simple version, and where the target cannot run it. */
function tiledKernel(product: Operands, target: PlanTarget, version: string): TiledKernel | null {
  const known = MATMUL_VERSIONS.find((name) => name === version);
  if (known === undefined || known === 'simple') return null;
  const variant = variantOf(known, target, product.storage, product.geometry);
  return variant && (isTransposed(product) ? variant.transposed : variant.straight);
}

/** The parts of aᵀ · b and of a's sums, a [k, m]: for those who add them up themselves. Null where the target cannot run the version. */
export function planParts(
  operands: Omit<Operands, 'sums' | 'epilogue'>,
  target: PlanTarget,
  version: string = defaultVersion(target, operands.geometry),
  draft: Draft,
): Parts | null {
  const { m, n } = operands.geometry;
  const tiled = tiledKernel(operands, target, version);
  if (tiled && isTransposed(operands)) {
    // Any buffer: it only says that sums are wanted.
    return transposedParts({ ...operands, sums: operands.a }, tiled, target, draft);
  }
  const partial = scratchOf(draft, m * n * 4);
  const partialSums = scratchOf(draft, m * 4);
  const product = { ...operands, out: partial, sums: partialSums };
  return planProduct(product, target, version, draft) ? { slices: 1, partial, partialSums } : null;
}

/** Whether `version` takes the product's operand through gelu as it brings it, and what that gives need not be stored. */
export function bringsGelu(
  product: Operands,
  target: PlanTarget,
  version: string = defaultVersion(target, product.geometry),
): boolean {
  const tiled = tiledKernel(product, target, version);
  return tiled !== null && appliesGelu(product, tiled, isTransposed(product));
}

/** Adds the dispatches of a product in `version`, by default the fastest; false where the target cannot run that version. */
export function planProduct(
  product: Product,
  target: PlanTarget,
  version: string = defaultVersion(target, product.geometry),
  draft: Draft,
): boolean {
  if (version === 'simple') {
    simpleProduct(product, target, draft);
    return true;
  }
  const tiled = tiledKernel(product, target, version);
  if (!tiled) return false;
  if (isTransposed(product)) transposedProduct(product, tiled, target, draft);
  else straightProduct(product, tiled, target, draft);
  return true;
}
