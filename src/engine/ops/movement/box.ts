/** Plans putting a box into a constant tensor: the opposite of a slice, and padding. */
import type { Dispatch, PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape } from '../../tensor/shape.ts';
import { type DType, formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { rowGrid } from '../rows.ts';
import { storageOf } from '../storage.ts';
import { bitsOf } from './convert.ts';
import type { Selection } from './layout.ts';

const unsliceKernel = kernel('movement/unslice');

/** The kernel of `boxDispatch` and its versions. */
export const BOX_KERNELS = [unsliceKernel] as const;
export const BOX_VERSIONS = ['elements', 'fours'] as const;

/** An axis of the result, and which of its indices the box takes. */
interface Axis {
  readonly extent: number;
  readonly start: number;
  readonly count: number;
  readonly step: number;
}

/** Merges each axis of which the box takes all with the one before it, whose indices lie next to each other: fewer, longer axes for the same box. */
function mergeAxes(shape: Shape, { shape: counts, starts, steps }: Selection): Axis[] {
  const merged: Axis[] = [];
  shape.forEach((extent, axis) => {
    const count = counts[axis];
    const last = merged.at(-1);
    if (count === extent && (extent === 1 || last?.step === 1)) {
      if (last) {
        const { start, count: taken } = last;
        merged[merged.length - 1] = {
          extent: last.extent * extent,
          start: start * extent,
          count: taken * extent,
          step: last.step,
        };
      }
      return;
    }
    merged.push({ extent, start: starts[axis], count, step: count === 1 ? 1 : steps[axis] });
  });
  return merged;
}

/**
 * Writes a tensor of `shape` and `dtype` to out0: the elements of in0 where `selection` puts them, `value` elsewhere. Null where `version` is 'fours'
 * and the rows are not whole groups of four elements. Throws a `shape` error where more than six axes remain after merging.
 */
export function boxDispatch(
  op: string,
  shape: Shape,
  selection: Selection,
  value: number,
  target: PlanTarget,
  dtype: DType,
  version?: string,
): Dispatch | null {
  const axes = mergeAxes(shape, selection);
  const run = axes.pop() ?? { extent: 1, start: 0, count: 1, step: 1 };
  requireShape(axes.length <= 5, op, `a box in ${formatShape(shape)} takes more than six axes`);
  const fits = run.step === 1 && [run.extent, run.start, run.count].every((extent) => extent % 4 === 0);
  if (version === 'fours' && !fits) return null;
  const fours = fits && version !== 'elements';
  const width = fours ? 4 : 1;
  const padded = [...new Array<Axis>(5 - axes.length).fill({ extent: 1, start: 0, count: 1, step: 1 }), ...axes];
  const numbered = (field: keyof Axis) => Object.fromEntries(padded.map((axis, at) => [`${field}${at}`, axis[field]]));
  const { extent0: _, ...extents } = numbered('extent');
  const rows = sizeOf(axes.map(({ extent }) => extent));
  const inner = run.extent / width;
  const { lanes, workgroups } = rowGrid(rows, inner, target);
  return {
    kernel: unsliceKernel,
    storage: storageOf({ dtype }),
    width,
    buffers: { x: 'in0', out: 'out0' },
    uniforms: {
      rows,
      inner,
      lanes,
      fill: bitsOf(value, dtype),
      ...extents,
      ...numbered('start'),
      ...numbered('count'),
      ...numbered('step'),
      start: run.start / width,
      count: run.count / width,
      step: run.step,
    },
    workgroups,
  };
}
