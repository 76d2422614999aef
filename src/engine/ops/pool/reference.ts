/** Pooling and its gradient in float64. */
import type { Window, WindowAxis } from './window.ts';

/** The input positions of window `at` along one axis, padding left out. */
function positions({ kernel, stride, padding, dilation, input }: WindowAxis, at: number): number[] {
  const all = Array.from({ length: kernel }, (_, k) => at * stride - padding + k * dilation);
  return all.filter((position) => position >= 0 && position < input);
}

/** Calls `visit(output element, its plane's first input pixel, input positions y, x, channel)` for every output element. */
function forEachWindow(
  { batch, channels, y, x }: Window,
  visit: (out: number, at: (position: number) => number, pixels: readonly number[]) => void,
): void {
  for (let n = 0; n < batch; n++) {
    for (let outY = 0; outY < y.output; outY++) {
      for (let outX = 0; outX < x.output; outX++) {
        const pixels = positions(y, outY).flatMap((inY) => positions(x, outX).map((inX) => inY * x.input + inX));
        for (let c = 0; c < channels; c++) {
          const out = ((n * y.output + outY) * x.output + outX) * channels + c;
          visit(out, (pixel) => (n * y.input * x.input + pixel) * channels + c, pixels);
        }
      }
    }
  }
}

/** [maximum, index of the first winner in its plane]. */
export function referenceMax(data: Float64Array, window: Window): [Float64Array, Float64Array] {
  const size = window.batch * window.y.output * window.x.output * window.channels;
  const out = new Float64Array(size).fill(-3.4e38);
  const argmax = new Float64Array(size).fill(0xffff_ffff);
  forEachWindow(window, (to, at, pixels) => {
    for (const pixel of pixels) {
      if (data[at(pixel)] > out[to] || Number.isNaN(data[at(pixel)]) || argmax[to] === 0xffff_ffff) {
        out[to] = data[at(pixel)];
        argmax[to] = pixel;
      }
    }
  });
  return [out, argmax];
}

/** Hands each gradient to the pixel that won. */
export function referenceMaxBackward(
  gradient: Float64Array,
  argmax: Float64Array,
  window: Window,
  addend?: Float64Array,
): Float64Array {
  const { batch, y, x, channels } = window;
  const gradX = addend?.slice() ?? new Float64Array(batch * y.input * x.input * channels);
  forEachWindow(window, (from, at) => {
    if (argmax[from] !== 0xffff_ffff) gradX[at(argmax[from])] += gradient[from];
  });
  return gradX;
}

/** What a window's sum is divided by. */
function divisor(window: Window, countPadding: boolean, pixels: readonly number[]): number {
  return countPadding ? window.y.kernel * window.x.kernel : pixels.length;
}

/** Mean of each window; `countPadding` divides by the whole kernel, else by the pixels within the image. */
export function referenceAverage(data: Float64Array, window: Window, countPadding: boolean): Float64Array {
  const out = new Float64Array(window.batch * window.y.output * window.x.output * window.channels);
  forEachWindow(window, (to, at, pixels) => {
    for (const pixel of pixels) out[to] += data[at(pixel)] / divisor(window, countPadding, pixels);
  });
  return out;
}

/** Each pixel's share of the gradients of the windows that hold it. */
export function referenceAverageBackward(gradient: Float64Array, window: Window, countPadding: boolean): Float64Array {
  const gradX = new Float64Array(window.batch * window.y.input * window.x.input * window.channels);
  forEachWindow(window, (from, at, pixels) => {
    for (const pixel of pixels) gradX[at(pixel)] += gradient[from] / divisor(window, countPadding, pixels);
  });
  return gradX;
}
