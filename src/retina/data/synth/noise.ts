/** Smooth noise and blur for drawn pictures. */
import type { SeededRandom } from './random.ts';

/**
 * Smooth value noise in [-1, 1]: random values on a grid with the given cell, interpolated with a smoothstep.
 *
 * Returns a function of pixel coordinates; coordinates outside the frame are clamped to the grid's edge.
 */
export function valueNoise(
  random: SeededRandom,
  width: number,
  height: number,
  cell: number,
): (x: number, y: number) => number {
  const columns = Math.ceil(width / cell) + 2;
  const rows = Math.ceil(height / cell) + 2;
  const grid = new Float32Array(columns * rows);
  for (let i = 0; i < grid.length; i++) grid[i] = random.range(-1, 1);
  const offsetX = random.uniform();
  const offsetY = random.uniform();
  return (x, y) => {
    const gridX = Math.min(Math.max(x / cell + offsetX, 0), columns - 1.001);
    const gridY = Math.min(Math.max(y / cell + offsetY, 0), rows - 1.001);
    const column = Math.floor(gridX);
    const row = Math.floor(gridY);
    const fx = gridX - column;
    const fy = gridY - row;
    const sx = fx * fx * (3 - 2 * fx);
    const sy = fy * fy * (3 - 2 * fy);
    const at = row * columns + column;
    const top = grid[at] + (grid[at + 1] - grid[at]) * sx;
    const bottom = grid[at + columns] + (grid[at + columns + 1] - grid[at + columns]) * sx;
    return top + (bottom - top) * sy;
  };
}

/** In-place separable Gaussian blur of an interleaved RGB float image; edges repeat. `sigma` is in pixels. */
export function blurRgb(image: Float32Array, width: number, height: number, sigma: number): void {
  const reach = Math.max(1, Math.ceil(2.5 * sigma));
  const kernel = new Float32Array(2 * reach + 1);
  let total = 0;
  for (let k = -reach; k <= reach; k++) {
    kernel[k + reach] = Math.exp(-(k * k) / (2 * sigma * sigma));
    total += kernel[k + reach];
  }
  for (let k = 0; k < kernel.length; k++) kernel[k] /= total;
  const line = new Float32Array(3 * Math.max(width, height));
  const pass = (lines: number, length: number, lineStride: number, pixelStride: number): void => {
    for (let n = 0; n < lines; n++) {
      for (let i = 0; i < length; i++) {
        const from = n * lineStride + i * pixelStride;
        line[3 * i] = image[from];
        line[3 * i + 1] = image[from + 1];
        line[3 * i + 2] = image[from + 2];
      }
      for (let i = 0; i < length; i++) {
        let red = 0;
        let green = 0;
        let blue = 0;
        for (let k = -reach; k <= reach; k++) {
          const tap = 3 * Math.min(Math.max(i + k, 0), length - 1);
          const weight = kernel[k + reach];
          red += weight * line[tap];
          green += weight * line[tap + 1];
          blue += weight * line[tap + 2];
        }
        const to = n * lineStride + i * pixelStride;
        image[to] = red;
        image[to + 1] = green;
        image[to + 2] = blue;
      }
    }
  };
  pass(height, width, 3 * width, 3);
  pass(width, height, 3, 3 * width);
}
