/** Plans depthwise convolution and its input gradient. */
import {
  type BufferReference,
  type Dispatch,
  foldGrid,
  gridFor,
  type Plan,
  type PlanTarget,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import {
  boundBias,
  type GatherBuffers,
  forwardGather,
  gatherKernel,
  planSimpleGather,
  transposedGather,
} from '../conv2d/gather.ts';
import type { ConvolutionGeometry } from '../conv2d/geometry.ts';
import { chunksFor } from '../conv2d/gradWeight.ts';

const rowsKernel = kernel('depthwiseConv2d/rows');

const windowKernel = kernel('depthwiseConv2d/window');

const tileKernel = kernel('depthwiseConv2d/tile');

const rollingKernel = kernel('depthwiseConv2d/rolling');

export const depthwiseKernels = [gatherKernel, rowsKernel, windowKernel, tileKernel, rollingKernel];
export const depthwiseVersions = ['simple', 'rows', 'window', 'tile', 'rolling'];

/** Whether windows move pixel by pixel over channels in fours: what the row kernels serve. */
export function movesByPixels({ stride, dilation, outChannels }: ConvolutionGeometry): boolean {
  return [...stride, ...dilation].every((step) => step === 1) && outChannels % 4 === 0;
}

/** The bindings of the row kernels: without an addend, which is not read then, the source stands in. */
const bound = ({ source, weight, addend = source, out }: GatherBuffers, bias: BufferReference) => ({
  source,
  weight,
  bias,
  addend,
  out,
});

/** The uniforms that rows and tiles share. */
function windowUniforms(geometry: ConvolutionGeometry, transposed: boolean, { bias, addend }: GatherBuffers) {
  const { kernel, padding, outChannels } = geometry;
  const [from, to] = transposed ? [geometry.output, geometry.input] : [geometry.input, geometry.output];
  return {
    channels4: outChannels / 4,
    inHeight: from[0],
    inWidth: from[1],
    outHeight: to[0],
    outWidth: to[1],
    paddingY: transposed ? kernel[0] - 1 - padding[0] : padding[0],
    paddingX: transposed ? kernel[1] - 1 - padding[1] : padding[1],
    kernelHeight: kernel[0],
    tapFirst: transposed ? kernel[0] * kernel[1] - 1 : 0,
    tapStep: transposed ? -1 : 1,
    hasBias: bias ? 1 : 0,
    hasAddend: addend ? 1 : 0,
  };
}

/**
 * Eight pixels of one row per thread, `byWindow` without a loop over a row of taps; null where windows do not move by pixels, are too wide or
 * channels are not in fours.
 */
function planRows(
  geometry: ConvolutionGeometry,
  transposed: boolean,
  buffers: GatherBuffers,
  byWindow: boolean,
): Plan | null {
  const { batch, kernel, outChannels } = geometry;
  if (!movesByPixels(geometry) || (byWindow && kernel[1] > 7)) return null;
  const to = transposed ? geometry.input : geometry.output;
  const tiles = Math.ceil(to[1] / 8);
  const threads = batch * to[0] * tiles * (outChannels / 4);
  const bias = boundBias(buffers, () => 'tmp0');
  const dispatch: Dispatch = {
    kernel: byWindow ? windowKernel : rowsKernel,
    storage: buffers.storage,
    buffers: bound(buffers, bias),
    uniforms: { threads, tiles, ...windowUniforms(geometry, transposed, buffers) },
    overrides: { KERNEL_WIDTH: kernel[1] },
    workgroups: gridFor(threads, 64),
  };
  return { dispatches: [dispatch], scratch: bias === 'tmp0' ? [16] : [] };
}

/** Bytes of workgroup memory and threads of depthwiseConv2d/tile. */
const TILE_BYTES = 14 * 60 * 16;
const TILE_THREADS = 32;

/** Whether a window is large enough for the work that its zeros and borders make, and no larger than 7 x 7. */
export const isLarge = ({ kernel }: ConvolutionGeometry): boolean =>
  kernel[0] * kernel[1] >= 25 && Math.max(...kernel) <= 7;

/** 8 x 8 pixels of 16 channels per workgroup; null where windows or limits are of another kind. */
function planTile(
  geometry: ConvolutionGeometry,
  transposed: boolean,
  buffers: GatherBuffers,
  { limits }: PlanTarget,
): Plan | null {
  if (!movesByPixels(geometry) || !isLarge(geometry)) return null;
  if (limits.maxComputeWorkgroupStorageSize < TILE_BYTES || limits.maxComputeInvocationsPerWorkgroup < TILE_THREADS) {
    return null;
  }
  const to = transposed ? geometry.input : geometry.output;
  const [tilesY, tilesX] = to.map((side) => Math.ceil(side / 8));
  const groups = Math.ceil(geometry.outChannels / 16);
  const workgroups = geometry.batch * tilesY * tilesX * groups;
  const bias = boundBias(buffers, () => 'tmp0');
  const dispatch: Dispatch = {
    kernel: tileKernel,
    storage: buffers.storage,
    buffers: bound(buffers, bias),
    uniforms: { workgroups, groups, tilesX, tilesY, ...windowUniforms(geometry, transposed, buffers) },
    overrides: { KERNEL_WIDTH: geometry.kernel[1] },
    workgroups: foldGrid(workgroups),
  };
  return { dispatches: [dispatch], scratch: bias === 'tmp0' ? [16] : [] };
}

/** Workgroups that keep two or more cores evenly busy. */
const WANTED_ROLLING = 32;

/** Eight columns of four channels per subgroup, running down the rows; null where the target or the window is of another kind. */
function planRolling(
  geometry: ConvolutionGeometry,
  transposed: boolean,
  buffers: GatherBuffers,
  target: PlanTarget,
): Plan | null {
  const { batch, kernel, padding, outChannels } = geometry;
  if (!movesByPixels(geometry) || Math.max(...kernel) > 7) return null;
  if (!target.features.has('subgroups') || target.subgroupSize !== 8) return null;
  const to = transposed ? geometry.input : geometry.output;
  const tiles = Math.ceil(to[1] / 8);
  const columns = batch * tiles * (outChannels / 4);
  // Each run repeats six rows of its neighbors.
  const chunk = Math.ceil(to[0] / chunksFor(columns, WANTED_ROLLING, to[0], 8));
  const chunks = Math.ceil(to[0] / chunk);
  const workgroups = columns * chunks;
  const bias = boundBias(buffers, () => 'tmp0');
  const dispatch: Dispatch = {
    kernel: rollingKernel,
    storage: buffers.storage,
    buffers: bound(buffers, bias),
    uniforms: {
      ...windowUniforms(geometry, transposed, buffers),
      workgroups,
      tiles,
      chunk,
      chunks,
      paddingY: (transposed ? kernel[0] - 1 - padding[0] : padding[0]) + 7 - kernel[0],
      kernelWidth: kernel[1],
    },
    workgroups: foldGrid(workgroups),
  };
  return { dispatches: [dispatch], scratch: bias === 'tmp0' ? [16] : [] };
}

/** The forward pass, or with `transposed` the input gradient, in the version asked for, else the fastest that can. */
export function planDepthwise(
  geometry: ConvolutionGeometry,
  transposed: boolean,
  buffers: GatherBuffers,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  if (version === 'rolling') return planRolling(geometry, transposed, buffers, target);
  if (version === 'tile') return planTile(geometry, transposed, buffers, target);
  if (version === 'window') return planRows(geometry, transposed, buffers, true);
  const isSwiftShader = target.deviceClass === 'software' && target.subgroupSize === 4;
  if (version === undefined && isSwiftShader) {
    const plan = planRows(geometry, transposed, buffers, true);
    if (plan) return plan;
  }
  if (version === undefined && isLarge(geometry)) {
    // Subgroups of 64 lanes would stay half empty in tiles.
    const tiles = target.deviceClass === 'gpu' && target.subgroupSize <= 32;
    const plan = (tiles ? planTile : planRolling)(geometry, transposed, buffers, target);
    if (plan) return plan;
  }
  const rows = version === 'simple' ? null : planRows(geometry, transposed, buffers, false);
  if (rows || version === 'rows') return rows;
  return planSimpleGather(transposed ? transposedGather(geometry) : forwardGather(geometry), buffers, false);
}
