/** Where elements that are picked along an axis lie. */
import { normalizeAxis, requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';

/** The axes before, along and behind the one picked along, and where index [o, k, i] lies. */
export interface GatherLayout {
  readonly shape: readonly number[];
  readonly extent: number;
  readonly count: number;
  readonly inner: number;
  readonly indexOuter: number;
  readonly indexAlong: number;
  readonly indexInner: number;
}

/**
 * The layout of picking from `x` along `axis`: by an index of rank 1 that serves all other axes, or by one whose other extents are those of x.
 * @throws GmtlError `tensor/shape` for other indices.
 */
export function gatherLayout(x: Shape, index: Shape, axis: number): GatherLayout {
  requireShape(x.length > 0, 'gather', 'a scalar has no axis to pick along');
  const along = normalizeAxis('gather', axis, x.length);
  const shared = index.length === 1;
  requireShape(
    shared || (index.length === x.length && index.every((extent, at) => at === along || extent === x[at])),
    'gather',
    `index ${formatShape(index)} does not pick along axis ${along} of ${formatShape(x)}: it is one list, or as x but for that axis`,
  );
  const count = shared ? index[0] : index[along];
  const inner = sizeOf(x.slice(along + 1));
  return {
    shape: x.map((extent, at) => (at === along ? count : extent)),
    extent: x[along],
    count,
    inner,
    indexOuter: shared ? 0 : count * inner,
    indexAlong: shared ? 1 : inner,
    indexInner: shared ? 0 : 1,
  };
}
