/**
 * Blurs a picture as sharp does (libvips' separable Gaussian in whole numbers), in plain arithmetic: browsers normalize pictures with it, and
 * get what Node's sharp gets, pixel by pixel.
 */

/** The kernel ends where it falls below this. */
const LEAST_AMPLITUDE = 0.01;
/** The kernel's middle as a whole number. */
const MIDDLE = 20;

/** The right half of the Gaussian from its middle on, in whole numbers. */
function gaussian(sigma: number): number[] {
  const values: number[] = [];
  for (let x = 0; x < Math.max(1, Math.trunc(8 * sigma)); x++) {
    const value = Math.exp(-(x * x) / (2 * sigma * sigma));
    if (value < LEAST_AMPLITUDE) break;
    values.push(roundHalfEven(MIDDLE * value));
  }
  return values;
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** A sum of weighted pixels as a pixel. */
interface Kernel {
  readonly half: readonly number[];
  readonly divide: (sum: number) => number;
}

/** Weights of eight bits over a power of two, as libvips' vector units use where they come near enough; else the whole numbers themselves. */
function kernelOf(half: readonly number[]): Kernel {
  const scale = half.reduce((sum, value, index) => sum + (index === 0 ? value : 2 * value), 0);
  const plain: Kernel = { half, divide: (sum) => Math.trunc((sum + (scale >> 1)) / scale) };
  const shift = Math.ceil(Math.log2(half[0] / scale) + 1);
  const exponent = 7 - shift;
  const short = half.map((value) => roundHalfEven((128 * value) / scale / 2 ** shift));
  if (exponent <= 0 || exponent > 31 || short.some((value) => value > 127)) return plain;
  const round = 2 ** (exponent - 1);
  const flat = short.reduce((sum, value, index) => sum + 128 * (index === 0 ? value : 2 * value), 0);
  if (Math.abs(128 - Math.min(255, (flat + round) >> exponent)) > 2) return plain;
  return { half: short, divide: (sum) => Math.min(255, (sum + round) >> exponent) };
}

/**
 * @param pixels RGB, `width`x`height`x3. Not changed.
 * @param sigma standard deviation in pixels, above 0.
 * @returns RGB, the same size; edges are repeated.
 */
export function gaussianBlur(pixels: Uint8Array, width: number, height: number, sigma: number): Uint8Array {
  const { half, divide } = kernelOf(gaussian(sigma));
  const radius = half.length - 1;
  const across = new Uint8Array(pixels.length);
  const line = new Uint8Array(3 * (width + 2 * radius));
  for (let y = 0; y < height; y++) {
    const start = 3 * y * width;
    line.set(pixels.subarray(start, start + 3 * width), 3 * radius);
    for (let index = 0; index < 3 * radius; index++) {
      line[index] = pixels[start + (index % 3)];
      line[3 * (radius + width) + index] = pixels[start + 3 * (width - 1) + (index % 3)];
    }
    for (let index = 0; index < 3 * width; index++) {
      const middle = index + 3 * radius;
      let sum = half[0] * line[middle];
      for (let tap = 1; tap <= radius; tap++) sum += half[tap] * (line[middle - 3 * tap] + line[middle + 3 * tap]);
      across[start + index] = divide(sum);
    }
  }
  const out = new Uint8Array(pixels.length);
  const sums = new Int32Array(3 * width);
  const rowAt = (y: number): number => 3 * width * Math.min(height - 1, Math.max(0, y));
  for (let y = 0; y < height; y++) {
    const middle = rowAt(y);
    for (let index = 0; index < sums.length; index++) sums[index] = half[0] * across[middle + index];
    for (let tap = 1; tap <= radius; tap++) {
      const [above, below, weight] = [rowAt(y - tap), rowAt(y + tap), half[tap]];
      for (let index = 0; index < sums.length; index++)
        sums[index] += weight * (across[above + index] + across[below + index]);
    }
    for (let index = 0; index < sums.length; index++) out[middle + index] = divide(sums[index]);
  }
  return out;
}
