/** Plans the gradients of depthwise convolution's weight and bias. */
import { type Dispatch, foldGrid, gridFor, type Plan, type PlanTarget, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import type { ConvolutionGeometry } from '../conv2d/geometry.ts';
import { chunksFor, gradWeightKernel, planSimpleGradWeight } from '../conv2d/gradWeight.ts';
import { Steps } from '../conv2d/steps.ts';
import { sumPair, sumPairKernels } from '../reduce/columnPairs.ts';
import { sumKernels } from '../reduce/plan.ts';
import { isLarge, movesByPixels } from './plan.ts';

const gradWeightRowsKernel = kernel('depthwiseConv2d/gradWeightRows');

const gradWeightTileKernel = kernel('depthwiseConv2d/gradWeightTile');

const gradWeightRollingKernel = kernel('depthwiseConv2d/gradWeightRolling');

export const depthwiseGradWeightKernels = [
  gradWeightKernel,
  gradWeightRowsKernel,
  gradWeightTileKernel,
  gradWeightRollingKernel,
  ...sumPairKernels,
  ...sumKernels,
];
export const depthwiseGradWeightVersions = ['simple', 'rows', 'tile', 'rolling'];

/** One weight per thread, and the gradient's own sum. */
function planSimple(geometry: ConvolutionGeometry, storage: StorageFormat, target: PlanTarget): Plan {
  const { batch, output, outChannels } = geometry;
  const steps = planSimpleGradWeight(geometry, storage, target);
  steps.sum('in1', 'out1', { outer: 1, extent: batch * output[0] * output[1], inner: outChannels }, target, storage);
  return steps.plan;
}

/** What of a dispatch is its version's own: the rest is common to those that leave partial sums by chunks. */
type Chunked = Pick<Dispatch, 'kernel' | 'uniforms' | 'overrides' | 'workgroups'>;

/** Partial sums of weights and bias by chunks, then one second pass for both. */
function planChunks(
  geometry: ConvolutionGeometry,
  storage: StorageFormat,
  chunks: number,
  target: PlanTarget,
  chunked: Chunked,
): Plan {
  const { kernel, outChannels } = geometry;
  const steps = new Steps(storage);
  const taps = kernel[0] * kernel[1];
  const whole = chunks === 1;
  const partial = whole ? 'out0' : steps.scratch(chunks * taps * outChannels);
  const partialSums = whole ? 'out1' : steps.scratch(chunks * outChannels);
  steps.add({ ...chunked, storage, buffers: { x: 'in0', gradOutput: 'in1', partial, partialSums } });
  if (!whole) {
    const weights = { from: partial, to: 'out0', size: taps * outChannels } as const;
    steps.add(sumPair(chunks, weights, { from: partialSums, to: 'out1', size: outChannels }, target));
  }
  return steps.plan;
}

/** The uniforms that say where rows and columns lie. */
const placement = ({ input, output, padding }: ConvolutionGeometry): Record<string, number> => ({
  inHeight: input[0],
  inWidth: input[1],
  outHeight: output[0],
  outWidth: output[1],
  paddingY: padding[0],
  paddingX: padding[1],
});

/** A row of taps per thread over a chunk of rows; null as of `planRows` and for wide windows. */
function planGradWeightRows(geometry: ConvolutionGeometry, storage: StorageFormat, target: PlanTarget): Plan | null {
  const { batch, output, kernel, outChannels } = geometry;
  if (!movesByPixels(geometry) || kernel[1] > 7) return null;
  const channels4 = outChannels / 4;
  const rows = batch * output[0];
  const chunkThreads = channels4 * kernel[0];
  const chunks = chunksFor(chunkThreads, target.deviceClass === 'software' ? 1024 : 65_536, rows, 1);
  const threads = chunkThreads * chunks;
  return planChunks(geometry, storage, chunks, target, {
    kernel: gradWeightRowsKernel,
    uniforms: { threads, channels4, kernelHeight: kernel[0], chunks, rows, ...placement(geometry) },
    overrides: { KERNEL_WIDTH: kernel[1] },
    workgroups: gridFor(threads, 64),
  });
}

/** Bytes of workgroup memory and threads of depthwiseConv2d/gradWeightTile. */
const TILE_BYTES = 15 * 60 * 16;
const TILE_THREADS = 64;

/** A row of taps of 16 channels per thread over a chunk of tiles of 8 x 8 pixels; null where windows or limits are of another kind. */
function planGradWeightTile(geometry: ConvolutionGeometry, storage: StorageFormat, target: PlanTarget): Plan | null {
  if (!movesByPixels(geometry) || !isLarge(geometry)) return null;
  const { limits } = target;
  if (limits.maxComputeWorkgroupStorageSize < TILE_BYTES || limits.maxComputeInvocationsPerWorkgroup < TILE_THREADS) {
    return null;
  }
  const { batch, output, kernel, outChannels } = geometry;
  const [tilesY, tilesX] = output.map((side) => Math.ceil(side / 8));
  const tiles = batch * tilesY * tilesX;
  const groups = Math.ceil(outChannels / 16);
  const chunks = chunksFor(groups * TILE_THREADS, target.deviceClass === 'software' ? 1024 : 65_536, tiles, 1);
  return planChunks(geometry, storage, chunks, target, {
    kernel: gradWeightTileKernel,
    uniforms: {
      channels4: outChannels / 4,
      groups,
      chunks,
      tiles,
      tilesX,
      tilesY,
      kernelHeight: kernel[0],
      ...placement(geometry),
    },
    overrides: { KERNEL_WIDTH: kernel[1] },
    workgroups: foldGrid(groups * chunks),
  });
}

/** Workgroups that keep two or more cores evenly busy. */
const WANTED_ROLLING = 32;

/** All taps per subgroup over a chunk of images and columns; null where the target or the window is of another kind. */
function planGradWeightRolling(geometry: ConvolutionGeometry, storage: StorageFormat, target: PlanTarget): Plan | null {
  const { batch, output, kernel, padding, outChannels } = geometry;
  if (!movesByPixels(geometry) || Math.max(...kernel) > 7 || padding[0] >= kernel[0]) return null;
  if (!target.features.has('subgroups') || target.subgroupSize !== 8) return null;
  const channels4 = outChannels / 4;
  const tiles = Math.ceil(output[1] / 8);
  const units = batch * tiles;
  const chunks = chunksFor(channels4, WANTED_ROLLING, units, 1);
  return planChunks(geometry, storage, chunks, target, {
    kernel: gradWeightRollingKernel,
    uniforms: {
      channels4,
      chunks,
      units,
      tiles,
      kernelHeight: kernel[0],
      kernelWidth: kernel[1],
      ...placement(geometry),
    },
    workgroups: foldGrid(channels4 * chunks),
  });
}

/** The gradients of weight and bias from in0 (x) and in1 (gradOutput), in the element format `storage`, to out0 and out1, in the version asked for, else the fastest that can. */
export function planDepthwiseGradWeight(
  geometry: ConvolutionGeometry,
  storage: StorageFormat,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  if (version === 'rolling') return planGradWeightRolling(geometry, storage, target);
  if (version === 'tile') return planGradWeightTile(geometry, storage, target);
  // A small window would mostly multiply by the zeros around it.
  if (version === undefined && isLarge(geometry)) {
    const planner = target.deviceClass === 'gpu' ? planGradWeightTile : planGradWeightRolling;
    const plan = planner(geometry, storage, target);
    if (plan) return plan;
  }
  const rows = version === 'simple' ? null : planGradWeightRows(geometry, storage, target);
  return rows || version === 'rows' ? rows : planSimple(geometry, storage, target);
}
