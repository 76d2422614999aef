/** Plans convolutions and input gradients as matrix products. */
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
import { ROUND } from '../rounds.ts';
import { boundBias, epilogueUniforms, type Gather, type GatherBuffers, windowUniforms } from './gather.ts';
import { inFours, Steps } from './steps.ts';

/** Which kernels compute a product: subgroup broadcasts (software adapters), tiles in workgroup memory (GPUs) or matrix units (GPUs that have them). */
export type ProductVersion = 'lanes' | 'tile' | 'subgroupMatrix';

/** The same for a gather, which has smaller tiles for few pixels too: its sums are not split. */
export type GatherVersion = ProductVersion | 'smallTile';

export const gatherLanesKernel = kernel('conv2d/gatherLanes');

export const gatherSubgroupKernel = kernel('conv2d/gatherSubgroup');

export const gatherTileKernel = kernel('conv2d/gatherTile');

export const gatherMatrixKernel = kernel('conv2d/gatherMatrix');

/** Lanes of the subgroups that kernels of this folder are written for: 0 where the target has others or none. */
export function usableLanes({ subgroupSize, features }: PlanTarget): number {
  return features.has('subgroups') && (subgroupSize === 8 || subgroupSize === 4) ? subgroupSize : 0;
}

/** A kernel, and the pixels and groups of four output channels that a workgroup of it owns. */
interface ProductTile {
  readonly kernel: KernelDefinition;
  readonly pixels: number;
  readonly columns: number;
  readonly constants?: Dispatch['constants'];
}

/** A form of conv2d/gatherTile: what its workgroups own, groups of outputs of a thread, and the vector instructions per multiply-add of its loop (RADV, navi31). */
interface TileForm {
  readonly pixels: number;
  readonly columns: number;
  readonly groups: number;
  readonly instructions: number;
}

const FORMS: readonly TileForm[] = [
  { pixels: 128, columns: 32, groups: 2, instructions: 1.06 },
  { pixels: 128, columns: 16, groups: 2, instructions: 1.08 },
  { pixels: 128, columns: 8, groups: 1, instructions: 1.17 },
  { pixels: 128, columns: 4, groups: 1, instructions: 1.27 },
];
const SMALL_FORM: TileForm = { pixels: 64, columns: 16, groups: 1, instructions: 1.11 };

const tilesOf = (form: TileForm, pixels: number, columns: number): number =>
  ceilDiv(pixels, form.pixels) * ceilDiv(columns, form.columns);

/** The form that takes the fewest instructions, for pixels and outputs past the ends too. */
function formOf(pixels: number, columns: number): TileForm {
  const covered = (form: TileForm): number =>
    tilesOf(form, pixels, columns) * form.pixels * form.columns * form.instructions;
  return FORMS.reduce((best, form) => (covered(form) < covered(best) ? form : best));
}

/**
 * The tiles that take a GPU less time for so many pixels and output channels: workgroups run in rounds, and few large ones leave much of a round idle.
 * It follows from sizes; no GPU was measured.
 */
export function fasterTile(pixels: number, toChannels: number): 'tile' | 'smallTile' {
  const columns = ceilDiv(toChannels, 4);
  const time = (form: TileForm): number => {
    const threads = ((form.pixels / 8) * form.columns) / form.groups;
    return ceilDiv(tilesOf(form, pixels, columns) * threads, ROUND) * form.groups * form.instructions;
  };
  return time(SMALL_FORM) < time(formOf(pixels, columns)) ? 'smallTile' : 'tile';
}

function tileOf(
  version: GatherVersion,
  pixels: number,
  toChannels4: number,
  target: PlanTarget,
  storage: StorageFormat,
): ProductTile | null {
  if (version === 'subgroupMatrix') {
    const constants = matrixConstants(target, storage);
    return constants && { kernel: gatherMatrixKernel, pixels: 64, columns: 16, constants };
  }
  if (version === 'lanes') {
    const lanes = usableLanes(target);
    if (lanes === 0) return null;
    return lanes === 8
      ? { kernel: gatherSubgroupKernel, pixels: 32, columns: 8 }
      : { kernel: gatherLanesKernel, pixels: 16, columns: 4 };
  }
  const {
    columns,
    pixels: PIXELS,
    groups: GROUPS,
  } = version === 'smallTile' ? SMALL_FORM : formOf(pixels, toChannels4);
  return { kernel: gatherTileKernel, pixels: PIXELS, columns, constants: { PIXELS, COLUMNS: columns, GROUPS } };
}

/**
 * A gather as a matrix product; null where it is grouped or the version cannot run on the target. Channels are padded to fours
 * where they are not. `biasChannels`: after how many channels the bias repeats (folding makes channels of neighboring pixels).
 */
export function planProductGather(
  version: GatherVersion,
  gather: Gather,
  buffers: GatherBuffers,
  biasChannels: number,
  relu: boolean,
  target: PlanTarget,
): Plan | null {
  if (gather.groups !== 1) return null;
  const { batch, from, to, kernel, divide } = gather;
  const fromChannels = inFours(gather.fromChannels);
  const toChannels = inFours(gather.toChannels);
  const taps = kernel[0] * kernel[1];
  const pixels = batch * to[0] * to[1];
  const tile = tileOf(version, pixels, toChannels / 4, target, buffers.storage);
  if (!tile) return null;
  const steps = new Steps(buffers.storage);

  const source = steps.channels(buffers.source, batch * from[0] * from[1], gather.fromChannels, fromChannels);
  const weight = weightsAsProduct(steps, gather, buffers, [taps, fromChannels, toChannels]);
  const cut = toChannels !== gather.toChannels;
  const out = cut ? steps.operand(pixels * toChannels) : buffers.out;
  const addend = buffers.addend && steps.channels(buffers.addend, pixels, gather.toChannels, toChannels);

  const phase = [Math.ceil(to[0] / divide[0]), Math.ceil(to[1] / divide[1])];
  const phaseTiles = Math.ceil((batch * phase[0] * phase[1]) / tile.pixels);
  const columns = Math.ceil(toChannels / 4 / tile.columns);
  const workgroups = phaseTiles * divide[0] * divide[1] * columns;
  const dispatch: Dispatch = {
    kernel: tile.kernel,
    storage: buffers.storage,
    buffers: {
      source,
      weight,
      bias: boundBias({ ...buffers, weight }, () => steps.scratch(4)),
      addend: addend ?? source,
      out,
    },
    uniforms: {
      batch,
      toHeight: to[0],
      toWidth: to[1],
      toChannels4: toChannels / 4,
      fromHeight: from[0],
      fromWidth: from[1],
      fromChannels4: fromChannels / 4,
      ...windowUniforms(gather),
      phaseHeight: phase[0],
      phaseWidth: phase[1],
      phaseTiles,
      columns,
      biasChannels4: Math.ceil(biasChannels / 4),
      workgroups,
      ...epilogueUniforms(buffers, relu),
    },
    constants: tile.constants,
    workgroups: foldGrid(workgroups),
  };
  steps.add(dispatch);
  steps.channels(out, pixels, toChannels, gather.toChannels, buffers.out);
  return steps.plan;
}

/** The weights as [taps, from, to] padded to `shape`: in memory they are [taps, to, from] for transposed gathers. */
function weightsAsProduct(
  steps: Steps,
  { direction, fromChannels, toChannels }: Gather,
  { weight }: GatherBuffers,
  shape: readonly [number, number, number],
): GatherBuffers['weight'] {
  const forward = direction === 'forward';
  if (forward && shape[1] === fromChannels && shape[2] === toChannels) return weight;
  const tap = fromChannels * toChannels;
  const strides = forward ? ([tap, toChannels, 1] as const) : ([tap, 1, fromChannels] as const);
  return steps.repack({ buffer: weight, middle: fromChannels, inner: toChannels, strides }, shape);
}
