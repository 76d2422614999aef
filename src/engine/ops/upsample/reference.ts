/** Resizing and its gradient in float64. */
import { type Shape, sizeOf } from '../../tensor/spec.ts';
import type { Resampling, ResizeAttributes } from './attributes.ts';
import { linearAxis, linearSource, nearestSource } from './axis.ts';

/** Calls `visit(output element, input element, weight)` for everything the resize reads. */
function forEachTap(
  kind: Resampling,
  [batch, inHeight, inWidth, channels]: Shape,
  { size: [outHeight, outWidth], alignCorners = false, scales }: ResizeAttributes,
  visit: (to: number, from: number, weight: number) => void,
): void {
  const taps = (input: number, output: number, at: number, scale?: number): [number, number][] => {
    if (kind === 'nearest') return [[nearestSource(at, input, output, scale), 1]];
    const { first, second, weight } = linearSource(linearAxis(input, output, alignCorners, scale), at);
    return [
      [first, 1 - weight],
      [second, weight],
    ];
  };
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < outHeight; y++) {
      for (let x = 0; x < outWidth; x++) {
        const to = ((n * outHeight + y) * outWidth + x) * channels;
        for (const [inY, weightY] of taps(inHeight, outHeight, y, scales?.[0])) {
          for (const [inX, weightX] of taps(inWidth, outWidth, x, scales?.[1])) {
            const from = ((n * inHeight + inY) * inWidth + inX) * channels;
            for (let c = 0; c < channels; c++) visit(to + c, from + c, weightY * weightX);
          }
        }
      }
    }
  }
}

/** Every output is the weighted sum of the inputs it reads; shape is [N, H, W, C]. */
export function referenceResize(
  kind: Resampling,
  data: Float64Array,
  shape: Shape,
  attributes: ResizeAttributes,
): Float64Array {
  const [height, width] = attributes.size;
  const out = new Float64Array(shape[0] * height * width * shape[3]);
  forEachTap(kind, shape, attributes, (to, from, weight) => {
    out[to] += weight * data[from];
  });
  return out;
}

/** The transpose of {@link referenceResize}: each input gathers from the outputs that read it. */
export function referenceResizeBackward(
  kind: Resampling,
  gradient: Float64Array,
  inputShape: Shape,
  attributes: ResizeAttributes,
): Float64Array {
  const gradX = new Float64Array(sizeOf(inputShape));
  forEachTap(kind, inputShape, attributes, (to, from, weight) => {
    gradX[from] += weight * gradient[to];
  });
  return gradX;
}
