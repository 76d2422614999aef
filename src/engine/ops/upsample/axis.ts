/** Where outputs of a resize read, along one axis, exactly as PyTorch. */
import { requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape } from '../../tensor/spec.ts';

/** Source position of output `at` along one axis: (at * factor + shift) / denominator, clamped to [0, input - 1]. Exact integers. */
export interface LinearAxis {
  readonly factor: number;
  readonly shift: number;
  readonly denominator: number;
  readonly input: number;
  readonly output: number;
}

/**
 * PyTorch's area_pixel_compute_source_index. alignCorners: at * (input - 1) / (output - 1), 0 for one output. Otherwise (at + 0.5) / scale - 0.5, not
 * below 0, with a scale of output / input unless one is given and the extent changes; beyond the last pixel both neighbors are that pixel.
 */
export function linearAxis(input: number, output: number, alignCorners: boolean, scale?: number): LinearAxis {
  if (!alignCorners) {
    const [up, down] = scale === undefined || input === output ? [output, input] : fractionOf(scale, input, output);
    return { factor: 2 * down, shift: down - up, denominator: 2 * up, input, output };
  }
  if (output === 1) return { factor: 0, shift: 0, denominator: 1, input, output };
  return { factor: input - 1, shift: 0, denominator: output - 1, input, output };
}

/** Products of extents and of these with a fraction's parts stay below it, so that four times as much is still an int32. */
const LARGEST_PRODUCT = 2 ** 28;

/** The nearest fraction [up, down] of small enough parts, by its continued fraction: of 1.5 3 / 2, of float64's 0.1 1 / 10. */
function fractionOf(scale: number, input: number, output: number): [number, number] {
  let [up, down, previousUp, previousDown] = [Math.floor(scale), 1, 1, 0];
  for (let rest = scale - up; rest > 0 && Math.abs(up / down - scale) > 1e-12 * scale; ) {
    const inverse = 1 / rest;
    const whole = Math.floor(inverse);
    const [nextUp, nextDown] = [whole * up + previousUp, whole * down + previousDown];
    if (nextUp * input > LARGEST_PRODUCT || nextDown * output > LARGEST_PRODUCT) break;
    [up, down, previousUp, previousDown] = [nextUp, nextDown, up, down];
    rest = inverse - whole;
  }
  return up > 0 ? [up, down] : [output, input];
}

/** float32(1 / scale): PyTorch's step of nearest-neighbor resizing. As PyTorch on CPUs, an extent that stays or doubles is resized by its ratio. */
export function nearestScale(input: number, output: number, scale?: number): number {
  const isByRatio = scale === undefined || output === input || output === 2 * input;
  return Math.fround(isByRatio ? input / output : 1 / scale);
}

/** The input position that output `at` reads, as PyTorch's nearest_neighbor_compute_source_index rounds it. */
export function nearestSource(at: number, input: number, output: number, scale?: number): number {
  return Math.min(Math.floor(Math.fround(at * nearestScale(input, output, scale))), input - 1);
}

/** The two input positions that output `at` reads and the second one's weight. */
export function linearSource(axis: LinearAxis, at: number): { first: number; second: number; weight: number } {
  const position = Math.min(Math.max((at * axis.factor + axis.shift) / axis.denominator, 0), axis.input - 1);
  const first = Math.floor(position);
  return { first, second: Math.min(first + 1, axis.input - 1), weight: position - first };
}

/** Largest extent that keeps the kernels' int32 arithmetic exact. */
const LARGEST_EXTENT = 16_384;

/** The resized NHWC shape. Throws a `shape` error for another rank or an impossible size. */
export function resizedShape(op: string, shape: Shape, size: readonly [number, number]): number[] {
  requireShape(shape.length === 4, op, `the input must be [N, H, W, C], not ${formatShape(shape)}`);
  requireShape(
    size.length === 2 &&
      [...size, shape[1], shape[2]].every(
        (extent) => Number.isInteger(extent) && extent >= 1 && extent <= LARGEST_EXTENT,
      ),
    op,
    `cannot resize ${formatShape(shape)} to ${formatShape(size)}: extents must be whole and from 1 to ${LARGEST_EXTENT}`,
  );
  return [shape[0], size[0], size[1], shape[3]];
}
