/** Shape arithmetic of the block. */
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { type MatmulGeometry, matmulGeometry } from '../matmul/geometry.ts';
import { requireSameType } from '../storage.ts';

/** Extents of the block: `rows` rows of `channels`, widened to `hidden`. */
export interface MlpShape {
  readonly rows: number;
  readonly channels: number;
  readonly hidden: number;
  /** Rows that share a factor of the drop path. */
  readonly rowsPerSample: number;
}

/** Checks the inputs of the forward pass: (residual, x, weight1, bias1, weight2, bias2, gamma, factor?). */
export function mlpShape(inputs: readonly TensorSpec[]): MlpShape {
  const op = 'residualMlp';
  requireShape(
    inputs.length === 7 || inputs.length === 8,
    op,
    `${inputs.length} inputs: it takes seven, or eight with a factor`,
  );
  const [residual, x, weight1, bias1, weight2, bias2, gamma, factor] = inputs;
  const channels = x.shape.at(-1) ?? 0;
  const hidden = weight1.shape[0];
  const expect = (what: string, { shape }: TensorSpec, wanted: Shape): void =>
    requireShape(sameShape(shape, wanted), op, `${what} ${formatShape(shape)} must be ${formatShape(wanted)}`);
  requireShape(x.shape.length >= 2, op, `x ${formatShape(x.shape)} must be [N, ..., C]`);
  expect('residual', residual, x.shape);
  expect('weight1', weight1, [hidden, channels]);
  expect('bias1', bias1, [hidden]);
  expect('weight2', weight2, [channels, hidden]);
  expect('bias2', bias2, [channels]);
  expect('gamma', gamma, [channels]);
  if (factor) expect('factor', factor, x.shape.slice(0, 1));
  requireSameType(op, [residual, x, weight1, weight2]);
  const rows = sizeOf(x.shape) / channels;
  return { rows, channels, hidden, rowsPerSample: rows / x.shape[0] };
}

/** The product of [m, k] by [k, n], one operand perhaps stored transposed. */
export const matrices = (m: number, k: number, n: number, stored: { a?: boolean; b?: boolean }): MatmulGeometry =>
  matmulGeometry(stored.a ? [k, m] : [m, k], stored.b ? [n, k] : [k, n], {
    transposeA: stored.a ?? false,
    transposeB: stored.b ?? false,
  });
