/** How a tensor is seen as rows of channels and samples of rows. */
import { type Shape, sizeOf } from '../../tensor/spec.ts';

export interface Rows {
  readonly rows: number;
  readonly channels: number;
  readonly rowsPerSample: number;
}

export function rowsOf(shape: Shape): Rows {
  const channels = shape.at(-1) ?? 1;
  const rows = sizeOf(shape) / channels;
  return { rows, channels, rowsPerSample: rows / (shape.length > 1 ? shape[0] : 1) };
}
