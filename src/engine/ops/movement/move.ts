/** Plans a strided move: by rows of whole groups of four where it can, else element by element. */
import type { BufferReference, Dispatch, PlanTarget, StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape } from '../../tensor/shape.ts';
import { type DType, formatShape, type Shape } from '../../tensor/spec.ts';
import { walkRows } from '../rows.ts';
import { storageOf } from '../storage.ts';
import type { StridedSide } from './layout.ts';
import { stridedDispatch, stridedKernel } from './strided.ts';

const rowsKernel = kernel('movement/rows');

/** The kernels of `moveDispatch` and its versions, for the definitions of programs that move. */
export const MOVE_KERNELS = [stridedKernel, rowsKernel] as const;
export const MOVE_VERSIONS = ['strided', 'rows'] as const;

export type MoveSide = StridedSide & { readonly buffer: BufferReference };

interface Axis {
  extent: number;
  from: number;
  to: number;
}

/** Drops axes of extent 1 and merges neighbors that are one run on both sides: fewer, longer axes for the same move. */
function mergeAxes(extents: Shape, from: StridedSide, to: StridedSide): Axis[] {
  const merged: Axis[] = [];
  extents.forEach((extent, axis) => {
    if (extent === 1) return;
    const next = { extent, from: from.strides[axis], to: to.strides[axis] };
    const last = merged.at(-1);
    if (last && last.from === extent * next.from && last.to === extent * next.to) {
      merged[merged.length - 1] = { ...next, extent: last.extent * extent };
    } else {
      merged.push(next);
    }
  });
  return merged;
}

/** The rows kernel's dispatch, or null where the innermost run is not in whole, aligned groups of four on both sides. */
function rowsDispatch(
  axes: readonly Axis[],
  from: MoveSide,
  to: MoveSide,
  target: PlanTarget,
  storage: StorageFormat,
): Dispatch | null {
  const run = axes.at(-1);
  const outer = axes.slice(0, -1);
  const { offset: inOffset = 0 } = from;
  const { offset: outOffset = 0 } = to;
  const inFours = [inOffset, outOffset, ...outer.flatMap((axis) => [axis.from, axis.to])].every(
    (value) => value % 4 === 0,
  );
  if (run?.from !== 1 || run.to !== 1 || run.extent % 4 !== 0 || !inFours || outer.length > 5) return null;
  const inner = run.extent / 4;
  const { uniforms, ...walk } = walkRows(
    outer.map((axis) => axis.extent),
    inner,
    target,
  );
  const numbered = (prefix: 'in' | 'out', values: readonly number[]) =>
    Object.fromEntries(
      [...new Array<number>(5 - values.length).fill(0), ...values].map((value, axis) => [
        `${prefix}${axis}`,
        value / 4,
      ]),
    );
  return {
    kernel: rowsKernel,
    storage,
    buffers: { x: from.buffer, out: to.buffer },
    uniforms: {
      ...uniforms,
      inner,
      inOffset: inOffset / 4,
      ...numbered(
        'in',
        outer.map((axis) => axis.from),
      ),
      outOffset: outOffset / 4,
      ...numbered(
        'out',
        outer.map((axis) => axis.to),
      ),
    },
    ...walk,
  };
}

/**
 * Moves a grid of `extents` elements of `dtype` from one strided side to the other. Runs of contiguous elements in whole groups of four go
 * by rows, all else element by element. Null where `version` is 'rows' and there are no such runs. Throws a `shape` error
 * where more than six axes remain after neighbors that lie alike were merged.
 */
export function moveDispatch(
  op: string,
  extents: Shape,
  from: MoveSide,
  to: MoveSide,
  target: PlanTarget,
  dtype: DType,
  version?: string,
): Dispatch | null {
  const axes = mergeAxes(extents, from, to);
  const storage = storageOf({ dtype });
  if (version !== 'strided') {
    const byRows = rowsDispatch(axes, from, to, target, storage);
    if (byRows || version === 'rows') return byRows;
  }
  requireShape(axes.length <= 6, op, `moving ${formatShape(extents)} takes more than six axes`);
  return stridedDispatch(
    op,
    axes.map((axis) => axis.extent),
    { ...from, strides: axes.map((axis) => axis.from) },
    { ...to, strides: axes.map((axis) => axis.to) },
    target,
    storage,
  );
}
