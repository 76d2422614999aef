/** Plans weight gradients as matrix products. */
import {
  type Dispatch,
  foldGrid,
  type KernelDefinition,
  type Plan,
  type PlanTarget,
  type StorageFormat,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { matrixConstants } from '../../gpu/subgroupMatrix.ts';
import { ceilDiv } from '../../tensor/shape.ts';
import { wholeRounds } from '../rounds.ts';
import { type ProductVersion, usableLanes } from './gatherProduct.ts';
import { type ConvolutionGeometry, folded } from './geometry.ts';
import { chunksFor, placementUniforms } from './gradWeight.ts';
import { inFours, Steps } from './steps.ts';

export const gradWeightLanesKernel = kernel('conv2d/gradWeightLanes');

export const gradWeightSubgroupKernel = kernel('conv2d/gradWeightSubgroup');

export const gradWeightTileKernel = kernel('conv2d/gradWeightTile');

export const gradWeightMatrixKernel = kernel('conv2d/gradWeightMatrix');

/**
 * The forms of conv2d/gradWeightTile: groups of four rows and of four columns that a workgroup owns, and the vector instructions per
 * multiply-add of its loop (RADV, navi31).
 */
const TILES = [
  { rows: 32, columns: 32, threads: 256, instructions: 1.09 },
  { rows: 32, columns: 16, threads: 128, instructions: 1.17 },
  { rows: 16, columns: 16, threads: 64, instructions: 1.19 },
  { rows: 32, columns: 8, threads: 128, instructions: 1.3 },
  { rows: 32, columns: 4, threads: 64, instructions: 1.47 },
] as const;

/** The form that takes the fewest instructions for that many rows and columns, those past the ends included. */
function formOf(rows: number, columns: number): (typeof TILES)[number] {
  const covered = (form: (typeof TILES)[number]): number =>
    ceilDiv(rows, 4 * form.rows) * form.rows * ceilDiv(columns, 4 * form.columns) * form.columns * form.instructions;
  return TILES.reduce((best, form) => (covered(form) < covered(best) ? form : best));
}

/** A kernel, the pixels it takes at a time, its groups of four output channels and its workgroups along the rows of the weights. */
interface GradWeightTile {
  readonly kernel: KernelDefinition;
  readonly step: number;
  readonly columns: number;
  readonly rows: number;
  /** Workgroups that keep the device evenly busy. */
  readonly wanted: number;
  readonly constants?: Dispatch['constants'];
}

function tileOf(
  version: ProductVersion,
  taps: number,
  inChannels: number,
  outChannels: number,
  target: PlanTarget,
  storage: StorageFormat,
): GradWeightTile | null {
  const rows = ceilDiv(taps * inChannels, 64);
  if (version === 'subgroupMatrix') {
    const constants = matrixConstants(target, storage);
    return (
      constants && { kernel: gradWeightMatrixKernel, step: constants.DEPTH, columns: 16, rows, wanted: 1024, constants }
    );
  }
  if (version === 'tile') {
    const { rows: ROWS, columns: COLUMNS, threads } = formOf(taps * inChannels, outChannels);
    const down = ceilDiv(taps * inChannels, 4 * ROWS);
    return {
      kernel: gradWeightTileKernel,
      step: 8,
      columns: COLUMNS,
      rows: down,
      wanted: wholeRounds(down * ceilDiv(outChannels, 4 * COLUMNS), threads),
      constants: { ROWS, COLUMNS },
    };
  }
  const lanes = usableLanes(target);
  if (lanes === 0) return null;
  return lanes === 8
    ? { kernel: gradWeightSubgroupKernel, step: 8, columns: 8, rows: ceilDiv(taps * inChannels, 32), wanted: 32 }
    : { kernel: gradWeightLanesKernel, step: 4, columns: 4, rows: ceilDiv(taps * inChannels, 16), wanted: 32 };
}

/**
 * The weight gradient from in0 (x) and in1 (gradOutput), in the element format `storage`, to out0 in float32 as a matrix product; null where the convolution is grouped or the
 * version cannot run on the target. Channels are padded to fours where they are not.
 */
export function planProductGradWeight(
  version: ProductVersion,
  original: ConvolutionGeometry,
  storage: StorageFormat,
  target: PlanTarget,
): Plan | null {
  if (original.groups !== 1) return null;
  const geometry = folded(original);
  const { batch, input, output, kernel } = geometry;
  const inChannels = inFours(geometry.inChannels);
  const outChannels = inFours(geometry.outChannels);
  const cut = inChannels !== geometry.inChannels || outChannels !== geometry.outChannels;
  const pixels = batch * output[0] * output[1];
  const taps = kernel[0] * kernel[1];
  const weights = taps * inChannels * outChannels;
  const tile = tileOf(version, taps, inChannels, outChannels, target, storage);
  if (!tile) return null;
  const steps = new Steps(storage);
  const x = steps.channels('in0', batch * input[0] * input[1], geometry.inChannels, inChannels);
  const gradOutput = steps.channels('in1', pixels, geometry.outChannels, outChannels);

  const { kernel: product, step, rows, constants } = tile;
  const columns = ceilDiv(outChannels, 4 * tile.columns);
  const tiles = rows * columns;
  const parts = chunksFor(tiles, tile.wanted, pixels, 64);
  const run = ceilDiv(pixels, parts * step) * step;
  const chunks = ceilDiv(pixels, run);
  const sum = cut ? steps.scratch(weights) : 'out0';
  steps.sumOfChunks(chunks, weights, sum, target, (partial) => ({
    kernel: product,
    storage,
    constants,
    buffers: { x, gradOutput, partial },
    uniforms: {
      pixels,
      run,
      inHeight: input[0],
      inWidth: input[1],
      inChannels4: inChannels / 4,
      outHeight: output[0],
      outWidth: output[1],
      outChannels4: outChannels / 4,
      kernelWidth: kernel[1],
      taps,
      ...placementUniforms(geometry),
      rows,
      columns,
      workgroups: chunks * tiles,
    },
    workgroups: foldGrid(chunks * tiles),
  }));
  if (cut) {
    steps.repack(
      {
        buffer: sum,
        middle: inChannels,
        inner: outChannels,
        strides: [inChannels * outChannels, outChannels, 1],
        format: 'f32',
      },
      [taps, geometry.inChannels, geometry.outChannels],
      'out0',
    );
  }
  return steps.plan;
}
