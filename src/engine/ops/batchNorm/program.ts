/** The programs of batch normalization: shapes, plans and cost. */
import {
  type BufferReference,
  type Dispatch,
  foldGrid,
  gridFor,
  type KernelDefinition,
  type Plan,
  type PlanTarget,
  type StorageFormat,
  type Width,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { layoutHint, requireShape, sameShape } from '../../tensor/shape.ts';
import { byteLength, f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { planColumnPairs, rowChunks, sumPairKernels } from '../reduce/columnPairs.ts';
import { treeTiling } from '../reduce/tree.ts';
import { like, storageOf } from '../storage.ts';
import type { BatchNormAttributes } from './attributes.ts';
import { referenceBatchNorm, referenceBatchNormBackward } from './reference.ts';

const statsKernel = kernel('batchNorm/stats');
const normalizeKernel = kernel('batchNorm/normalize');
const gradSumsKernel = kernel('batchNorm/gradSums');
const gradInputKernel = kernel('batchNorm/gradInput');
const finishKernel = kernel('batchNorm/finish');
const statsTreeKernel = kernel('batchNorm/statsTree');
const gradSumsTreeKernel = kernel('batchNorm/gradSumsTree');
const finishTreeKernel = kernel('batchNorm/finishTree');

/** scalar, vec4: sums by threads that own one column or four. tree: by workgroups that share the rows, for GPUs. */
const VERSIONS = ['scalar', 'vec4', 'tree'] as const;
/** The inputs that may be left out: a count of batches, and what is added to the result. */
const BATCHES = 5;
export const RESIDUAL = 6;
/** Channels that a workgroup of batchNorm/finishTree owns. */
const FINISHED_CHANNELS = 8;

/** How [..., C] is walked: by threads that own one column (group of four) of one chunk of rows. */
interface Columns {
  readonly rows: number;
  /** Channels. */
  readonly columns: number;
  /** Threads of one chunk: channels, or groups of four. */
  readonly own: number;
  /** Elements of a thread. */
  readonly width: Width;
  readonly storage: StorageFormat;
}

function columnsOf(x: TensorSpec, version: string | undefined): Columns | null {
  const columns = x.shape[x.shape.length - 1];
  if (version === 'vec4' && columns % 4 !== 0) return null;
  const vector = columns % 4 === 0 && version !== 'scalar';
  return {
    rows: sizeOf(x.shape) / columns,
    columns,
    own: vector ? columns / 4 : columns,
    width: vector ? 4 : 1,
    storage: storageOf(x),
  };
}

/** A dispatch of one of the column kernels over `chunks` chunks of rows. */
function columnDispatch(
  kernel: KernelDefinition,
  { rows, own, width, storage }: Columns,
  chunks: number,
  buffers: Readonly<Record<string, BufferReference>>,
  uniforms: Readonly<Record<string, number>> = {},
  overrides?: Readonly<Record<string, number>>,
): Dispatch {
  return {
    kernel,
    overrides,
    width,
    storage,
    buffers,
    uniforms: { rows, columns: own, chunks, ...uniforms },
    workgroups: gridFor(own * chunks, 64),
  };
}

/** Whether workgroups share the rows of the sums. */
const usesTree = (target: PlanTarget, version: string | undefined): boolean =>
  version === 'tree' || (version === undefined && target.deviceClass === 'gpu');

/** A dispatch of one of the kernels in which workgroups share the rows, and how they do. */
function treeDispatch(
  kernel: KernelDefinition,
  { rows, own, width, storage }: Columns,
  buffers: Readonly<Record<string, BufferReference>>,
  overrides: Readonly<Record<string, number>> = {},
): { readonly dispatch: Dispatch; readonly chunks: number; readonly group: number } {
  const { columns, group, blocks, chunks, workgroups, grid } = treeTiling(rows, own);
  const dispatch: Dispatch = {
    ...{ kernel, width, storage, buffers },
    uniforms: { rows, columns: own, chunks, blocks, workgroups },
    overrides: { COLUMNS: columns, ...overrides },
    workgroups: grid,
  };
  return { dispatch, chunks, group };
}

/** Chunks for a walk without sums: as many threads as the device can use. */
function elementChunks({ rows, own }: Columns, target: PlanTarget): number {
  const threads = target.deviceClass === 'software' ? 512 : 131_072;
  return Math.min(rows, Math.ceil(threads / own));
}

/** The statistics that in0 is normalized with, to out1 and out2, and in training the running ones. */
function planStatistics(
  walk: Columns,
  { training, eps, momentum }: Required<Omit<BatchNormAttributes, 'activation'>>,
  counts: boolean,
  target: PlanTarget,
  version: string | undefined,
): Plan {
  const { rows, own, columns } = walk;
  const partial = { means: 'tmp1', squares: 'tmp2' } as const;
  // Without a count the number goes to scratch memory.
  const batches = counts ? `in${BATCHES}` : 'tmp0';
  const results = { runningMean: 'in3', runningVar: 'in4', mean: 'out1', rstd: 'out2', batches } as const;
  const scratchOf = (chunks: number): number[] => [16, chunks * columns * 4, chunks * columns * 4];
  if (training && usesTree(target, version)) {
    const { dispatch, chunks, group } = treeDispatch(statsTreeKernel, walk, { x: 'in0', ...partial });
    const finish: Dispatch = {
      kernel: finishTreeKernel,
      buffers: { ...partial, ...results },
      uniforms: { rows, columns, chunks, group, eps, momentum },
      workgroups: foldGrid(Math.ceil(columns / FINISHED_CHANNELS)),
    };
    return { scratch: scratchOf(chunks), dispatches: [dispatch, finish] };
  }
  const chunks = training ? rowChunks(rows, own, target) : 1;
  const finish: Dispatch = {
    kernel: finishKernel,
    // In eval mode the partial statistics are not read: any readable buffer of float32 will do.
    buffers: { ...(training ? partial : { means: 'in1', squares: 'in1' }), ...results },
    uniforms: { rows, columns, chunks, training: training ? 1 : 0, eps, momentum },
    workgroups: gridFor(columns, 64),
  };
  if (!training) return { scratch: [16], dispatches: [finish] };
  const stats = columnDispatch(statsKernel, walk, chunks, { x: 'in0', ...partial });
  return { scratch: scratchOf(chunks), dispatches: [stats, finish] };
}

/**
 * (x [..., C], weight, bias, runningMean, runningVar [C], batches [], residual [..., C]) → y [..., C], mean [C], rstd [C] (the latter two for
 * backward).
 */
export const batchNormProgram = defineProgram<BatchNormAttributes>({
  name: 'batchNorm',
  signature: {
    inputs: {
      ...{ x: 'activation', weight: 'float32', bias: 'float32', runningMean: 'float32', runningVar: 'float32' },
      ...{ 'batches?': 'float32', 'residual?': 'activation' },
    },
    attributes: { training: 'flag', eps: 'number?', momentum: 'number?', activation: ['none', 'relu'] },
  },
  kernels: [statsKernel, finishKernel, normalizeKernel, statsTreeKernel, finishTreeKernel],
  versions: VERSIONS,
  mutates: [3, 4, BATCHES],
  mutatesWith: ({ training }) => training,
  infer([x, ...rest], { training }) {
    const columns = x.shape.at(-1);
    const channelVectors = rest.slice(0, 4);
    const [batches, residual] = rest.slice(4);
    requireShape(columns !== undefined, 'batchNorm', 'a scalar has no channels');
    requireShape(
      channelVectors.length === 4 && channelVectors.every((vector) => sameShape(vector.shape, [columns])),
      'batchNorm',
      `weight, bias, running mean and variance must all be [${columns}] for an input of ${formatShape(x.shape)}, not ${channelVectors.map((vector) => formatShape(vector.shape)).join(' ')}${layoutHint(x.shape, sizeOf(channelVectors[0]?.shape ?? []))}`,
    );
    requireShape(
      batches === undefined || sizeOf(batches.shape) === 1,
      'batchNorm',
      `the count of batches is one number, not ${formatShape(batches?.shape ?? [])}`,
    );
    requireShape(
      residual === undefined || sameShape(residual.shape, x.shape),
      'batchNorm',
      `a residual of shape ${formatShape(residual?.shape ?? [])} does not fit an input of ${formatShape(x.shape)}`,
    );
    requireShape(
      !training || sizeOf(x.shape) > columns,
      'batchNorm',
      `training takes more than one value per channel, but the input is ${formatShape(x.shape)}: use a larger batch or eval mode`,
    );
    return [like(x), f32([columns]), f32([columns])];
  },
  plan(inputs, _outputs, { training, eps = 1e-5, momentum = 0.1, activation = 'none' }, target, version) {
    const walk = columnsOf(inputs[0], version);
    if (!walk) return null;
    const residual = inputs.length > RESIDUAL;
    const normalize = columnDispatch(
      normalizeKernel,
      walk,
      elementChunks(walk, target),
      {
        ...{ x: 'in0', weight: 'in1', bias: 'in2', mean: 'out1', rstd: 'out2', y: 'out0' },
        residual: residual ? `in${RESIDUAL}` : 'in0',
      },
      {},
      { RELU: Number(activation === 'relu'), RESIDUAL: Number(residual) },
    );
    const counts = inputs.length > BATCHES;
    const statistics = planStatistics(walk, { training, eps, momentum }, counts, target, version);
    return { ...statistics, dispatches: [...statistics.dispatches, normalize] };
  },
  reference: (inputs, attributes) => referenceBatchNorm(inputs, attributes),
  cost: ([x], _outputs, { training }) => ({ flops: (training ? 9 : 3) * sizeOf(x.shape) }),
});

/** What the backward pass is set by. */
interface BackwardAttributes extends Pick<BatchNormAttributes, 'training'> {
  /** Whether the gradient of what was added before the relu is wanted. */
  readonly residual?: boolean;
}

/**
 * (gradY, x, weight, mean, rstd) → gradX, gradWeight, gradBias; after a relu its result y is a sixth input, and gradY where y passed is the
 * gradient of the residual, a fourth output where that is wanted.
 */
export const batchNormBackwardProgram = defineProgram<BackwardAttributes>({
  name: 'batchNorm.backward',
  kernels: [gradSumsKernel, gradSumsTreeKernel, gradInputKernel, ...sumPairKernels],
  versions: VERSIONS,
  infer: ([, x, weight], { residual }) => [
    ...[like(x), f32(weight.shape), f32(weight.shape)],
    ...(residual ? [like(x)] : []),
  ],
  plan([, x, , , , y], _outputs, { training, residual }, target, version) {
    const walk = columnsOf(x, version);
    if (!walk) return null;
    const { rows, columns } = walk;
    const statistics = { gradY: 'in0', x: 'in1', mean: 'in3', rstd: 'in4' } as const;
    const tree = usesTree(target, version);
    const chunks = tree ? treeTiling(rows, walk.own).chunks : rowChunks(rows, walk.own, target);
    // The scratch buffer behind those of the sums, of which there are none for one chunk.
    const kept: BufferReference = residual ? 'out3' : chunks === 1 ? 'tmp0' : 'tmp2';
    const sums = planColumnPairs(['out1', 'out2'], columns, chunks, target, (gradWeight, gradBias) => {
      const buffers = { ...statistics, gradWeight, gradBias, y: y ? 'in5' : 'in1', masked: kept } as const;
      const overrides = { RELU: Number(y !== undefined) };
      return tree
        ? treeDispatch(gradSumsTreeKernel, walk, buffers, overrides).dispatch
        : columnDispatch(gradSumsKernel, walk, chunks, buffers, {}, overrides);
    });
    const gradInput = columnDispatch(
      gradInputKernel,
      walk,
      elementChunks(walk, target),
      { ...statistics, gradY: y ? kept : 'in0', weight: 'in2', gradWeight: 'out1', gradBias: 'out2', gradX: 'out0' },
      { inverseRows: training ? 1 / rows : 0 },
    );
    const scratch = [...sums.scratch, y && !residual ? byteLength(x) : 16];
    return { scratch, dispatches: [...sums.dispatches, gradInput] };
  },
  reference: (inputs, attributes) => referenceBatchNormBackward(inputs, attributes),
  cost: ([, x]) => ({ flops: 9 * sizeOf(x.shape) }),
});
