/** Shape arithmetic of matrix products. */
import { broadcastShapes, layoutHint, requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import type { MatmulAttributes } from './attributes.ts';

/** A product as the kernels see it: `batch` products of [m, k] by [k, n], leading axes folded into m where that is possible. */
export interface MatmulGeometry {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether each batch entry has an `a` (a `b`) of its own; else one serves all. */
  readonly aBatched: boolean;
  readonly bBatched: boolean;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Whether the leading axes of `a` became rows: the product is one of matrices. */
  readonly folded: boolean;
  readonly outShape: Shape;
}

/**
 * The geometry of a product of `a` and `b`, (...batch, M, K) by (...batch, K, N), each perhaps transposed in its last two axes.
 * The batch axes must be equal, or those of one operand all 1 or left out. Throws a `shape` error otherwise.
 */
export function matmulGeometry(a: Shape, b: Shape, attributes: MatmulAttributes): MatmulGeometry {
  const { transposeA = false, transposeB = false } = attributes;
  const shapes = `${formatShape(a)}${transposeA ? ' (transposed)' : ''} by ${formatShape(b)}${transposeB ? ' (transposed)' : ''}`;
  requireShape(a.length >= 2 && b.length >= 2, 'matmul', `${shapes}: both operands must have at least two axes`);
  const [rowsA, columnsA] = a.slice(-2);
  const [rowsB, columnsB] = b.slice(-2);
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [inner, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  requireShape(
    k === inner,
    'matmul',
    `${shapes}: rows of ${k} elements do not meet columns of ${inner}${b.length === 2 ? layoutHint(a, inner) : ''}`,
  );
  const batchA = a.slice(0, -2);
  const batchB = b.slice(0, -2);
  const batchShape = broadcastShapes('matmul', batchA, batchB);
  const total = sizeOf(batchShape);
  requireShape(
    [batchA, batchB].every((batch) => sizeOf(batch) === total || sizeOf(batch) === 1),
    'matmul',
    `${shapes}: batch axes stretch as a whole or not at all; expand the operand first`,
  );
  const outShape = [...batchShape, m, n];
  const folded = !transposeA && sizeOf(batchB) === 1;
  return {
    batch: folded ? 1 : total,
    m: folded ? m * total : m,
    n,
    k,
    aBatched: !folded && sizeOf(batchA) > 1,
    bBatched: sizeOf(batchB) > 1,
    transposeA,
    transposeB,
    folded,
    outShape,
  };
}

/** Checks the bias, which must be a vector of one number per column. */
export function requireBias(bias: Shape | undefined, n: number): void {
  if (bias === undefined) return;
  requireShape(
    sameShape(bias, [n]),
    'matmul',
    `a bias of shape ${formatShape(bias)} for ${n} columns: it must be [${n}]`,
  );
}
