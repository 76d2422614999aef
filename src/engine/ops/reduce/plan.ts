/** Plans reductions over runs of axes in passes of a fixed order. */
import {
  type BufferReference,
  type Dispatch,
  gridFor,
  type KernelDefinition,
  type Plan,
  type PlanTarget,
  type StorageFormat,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { type Shape, sizeOf } from '../../tensor/spec.ts';
import { treeTiling } from './tree.ts';

const sumKernel = kernel('reduce/sum');
const sumTreeKernel = kernel('reduce/sumTree');
export const maxKernel = kernel('reduce/max');

/** What `planSum` may use. */
export const sumKernels = [sumKernel, sumTreeKernel];

/** A reduction over the middle axis of [outer, extent, inner]. */
export interface MiddleReduction {
  readonly outer: number;
  readonly extent: number;
  readonly inner: number;
}

/**
 * The reductions over one run of neighboring axes each, innermost first, that together reduce `axes` of `shape`.
 * Axes of extent 1 cost nothing.
 */
function splitReduction(shape: Shape, axes: readonly number[]): MiddleReduction[] {
  const stages: MiddleReduction[] = [];
  const current = [...shape];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (!axes.includes(axis) || shape[axis] === 1) continue;
    let first = axis;
    while (first > 0 && (axes.includes(first - 1) || shape[first - 1] === 1)) first--;
    stages.push({
      outer: sizeOf(current.slice(0, first)),
      extent: sizeOf(current.slice(first, axis + 1)),
      inner: sizeOf(current.slice(axis + 1)),
    });
    for (let done = first; done <= axis; done++) current[done] = 1;
    axis = first;
  }
  return stages;
}

/** Element formats of what is summed and of the sum; what lies between is float32. */
export interface ReductionFormats {
  readonly storage?: StorageFormat;
  readonly result?: StorageFormat;
}

/** Threads that keep the device busy: beyond them a longer sum per thread costs less than another pass. */
function usefulThreads(target: PlanTarget): number {
  return target.deviceClass === 'software' ? 256 : 32_768;
}

/** Longer sums than this are shared by the lanes of a workgroup on a GPU, unless their outputs alone keep it busy. */
const ROWS_OF_A_THREAD = 32;
const BUSY_THREADS = 65_536;

/** One pass: extent rows of items, outer times, cut into chunks. */
interface Pass extends MiddleReduction {
  readonly vector: boolean;
  readonly chunks: number;
  /** Whether workgroups share the rows (reduce/sumTree), not threads. */
  readonly tree: boolean;
}

/**
 * Dispatches that sum `stages` in turn from `source` to `destination`, multiplying the end result by `scale`. Scratch buffers are
 * appended to `scratch` (in bytes).
 */
export function planSum(
  source: BufferReference,
  destination: BufferReference,
  stages: readonly MiddleReduction[],
  scale: number,
  target: PlanTarget,
  version: string | undefined,
  scratch: number[] = [],
  formats: ReductionFormats = {},
): Dispatch[] {
  return planStages(source, destination, stages, scale, target, version, scratch, formats);
}

/** Whether a pass over `extent` rows with `threads` outputs is one of workgroups. */
function usesTree(extent: number, threads: number, target: PlanTarget, version: string | undefined): boolean {
  if (version === 'tree') return extent > 1;
  return version === undefined && target.deviceClass === 'gpu' && extent > ROWS_OF_A_THREAD && threads < BUSY_THREADS;
}

/** As `planSum`; with a scale of null the reduction is the maximum. */
function planStages(
  source: BufferReference,
  destination: BufferReference,
  stages: readonly MiddleReduction[],
  scale: number | null,
  target: PlanTarget,
  version: string | undefined,
  scratch: number[],
  { storage, result }: ReductionFormats,
): Dispatch[] {
  const kernelOf = ({ tree }: Pass): KernelDefinition =>
    scale === null ? maxKernel : tree ? sumTreeKernel : sumKernel;
  const passes: Pass[] = [];
  for (let { outer, extent, inner } of stages) {
    for (;;) {
      const rows = inner === 1 && extent % 4 === 0 && extent >= 64 && version !== 'scalar';
      if (rows) {
        // A row sum is a column sum of its four interleaved quarters, then a sum of four.
        extent /= 4;
        inner = 4;
      }
      const vector = inner % 4 === 0 && version !== 'scalar';
      const columns = outer * (vector ? inner / 4 : inner);
      const items = vector ? inner / 4 : inner;
      const tree = scale !== null && usesTree(extent, columns, target, version);
      const wanted = Math.min(Math.ceil(usefulThreads(target) / columns), Math.ceil(extent / 8));
      const chunks = tree ? treeTiling(extent, items, outer).chunks : extent <= 32 ? 1 : Math.max(1, wanted);
      passes.push({ vector, outer, extent, inner: items, chunks, tree });
      if (rows) {
        extent = chunks * 4;
        inner = 1;
        if (extent === 1) break;
      } else {
        if (chunks === 1) break;
        extent = chunks;
      }
    }
  }

  let from = source;
  return passes.map((pass, index) => {
    const { vector, outer, extent, inner, chunks, tree } = pass;
    const outputs = outer * chunks * inner;
    const last = index === passes.length - 1;
    let to = destination;
    if (!last) {
      to = `tmp${scratch.length}`;
      scratch.push(outputs * (vector ? 16 : 4));
    }
    const { blocks, columns, workgroups, grid } = treeTiling(extent, inner, outer);
    const dispatch: Dispatch = {
      kernel: kernelOf(pass),
      width: vector ? 4 : 1,
      storage: index === 0 ? storage : undefined,
      result: last ? result : undefined,
      buffers: { x: from, out: to },
      uniforms: {
        ...{ extent, inner, chunks },
        ...(tree ? { workgroups, blocks } : { outputs }),
        ...(scale !== null && { scale: last ? scale : 1 }),
      },
      ...(tree && { overrides: { COLUMNS: columns } }),
      workgroups: tree ? grid : gridFor(outputs, 64),
    };
    from = to;
    return dispatch;
  });
}

/** The plan of a reduction from input 0 to output 0: by sum times `scale`, or where that is null by maximum. */
export function reductionPlan(
  shape: Shape,
  axes: readonly number[],
  scale: number | null,
  target: PlanTarget,
  version: string | undefined,
  formats: ReductionFormats = {},
): Plan {
  const stages = splitReduction(shape, axes);
  // Nothing to add up: one pass that copies (and scales).
  const work = stages.length > 0 ? stages : [{ outer: 1, extent: 1, inner: sizeOf(shape) }];
  const scratch: number[] = [];
  return { dispatches: planStages('in0', 'out0', work, scale, target, version, scratch, formats), scratch };
}
