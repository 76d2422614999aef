/**
 * Resizes a square picture as sharp does, in plain arithmetic: browsers prepare pictures with it, and get what Node's sharp gets, pixel by
 * pixel (libvips' integer path: a box filter by whole factors, then a windowed kernel in 1/4096 steps, rounded to 8 bits between the axes).
 */

/** Positions between two pixels are rounded to this many steps. */
const POSITIONS = 64;
/** Kernel weights are whole multiples of one over this. */
const WEIGHT_ONE = 4096;
/** The box filter leaves at least this factor to the kernel. */
const KERNEL_FACTOR = 2;

/** Lanczos with three lobes (Duchon 1979): sinc(x) sinc(x / 3). */
function lanczos3(x: number): number {
  if (x === 0) return 1;
  if (x < -3 || x > 3) return 0;
  return (3 * Math.sin(Math.PI * x) * Math.sin((Math.PI * x) / 3)) / (Math.PI * Math.PI * x * x);
}

/**
 * @param pixels RGB, `from`x`from`x3. Not changed.
 * @returns RGB, `to`x`to`x3: Lanczos when shrinking, Catmull-Rom's cubic when enlarging.
 */
export function resizeSquare(pixels: Uint8Array, from: number, to: number): Uint8Array {
  if (to === from) return pixels.slice();
  if (to > from) return enlarge(pixels, from, to);
  return shrinkColumns(shrinkRows(pixels, 3 * from, from, to), to, from, to);
}

/** How an axis is shrunk: boxes of `factor` places, then for each target place the first of `weights.length` boxes, and their weights. */
interface Shrinking {
  readonly factor: number;
  readonly boxes: number;
  readonly first: Int32Array;
  readonly weights: readonly Int32Array[];
}

function planShrinking(from: number, to: number): Shrinking {
  const factor = Math.max(1, Math.floor(from / to / KERNEL_FACTOR));
  const shrink = from / to / factor;
  const points = 2 * Math.round(3 * shrink) + 1;
  const tables = Array.from({ length: POSITIONS + 1 }, (_, step) => kernelTable(points, shrink, step / POSITIONS));
  const before = Math.ceil(points / 2) - 1;
  const positions = Array.from({ length: to }, (_, place) => (place + 0.5) * shrink);
  return {
    factor,
    boxes: Math.ceil(from / factor),
    first: Int32Array.from(positions, (position) => Math.floor(position) - before),
    weights: positions.map((position) => tables[nearestStep(position)]),
  };
}

/** The fraction of a position, 0 … 1, in steps. */
const nearestStep = (position: number): number =>
  ((Math.floor(position * 2 * POSITIONS) & (2 * POSITIONS - 1)) + 1) >> 1;

function kernelTable(points: number, shrink: number, offset: number): Int32Array {
  const center = offset + points / 2 - 1;
  const values = Array.from({ length: points }, (_, index) => lanczos3((index - center) / shrink));
  const sum = values.reduce((total, value) => total + value, 0);
  return Int32Array.from(values, (value) => Math.trunc((value / sum) * WEIGHT_ONE));
}

const clampIndex = (index: number, count: number): number => Math.min(count - 1, Math.max(0, index));

/** `from` rows of `width` bytes become `to` rows. */
function shrinkRows(source: Uint8Array, width: number, from: number, to: number): Uint8Array {
  const { factor, boxes, first, weights } = planShrinking(from, to);
  const sums = new Int32Array(width);
  let boxed = source;
  if (factor > 1) {
    boxed = new Uint8Array(boxes * width);
    const multiplier = Math.floor(2 ** 24 / factor);
    for (let box = 0; box < boxes; box++) {
      sums.fill(factor >> 1);
      for (let index = 0; index < factor; index++) {
        const at = clampIndex(box * factor + index, from) * width;
        for (let byte = 0; byte < width; byte++) sums[byte] += source[at + byte];
      }
      for (let byte = 0; byte < width; byte++) boxed[box * width + byte] = Math.imul(sums[byte], multiplier) >>> 24;
    }
  }
  const out = new Uint8ClampedArray(to * width);
  for (let row = 0; row < to; row++) {
    sums.fill(WEIGHT_ONE >> 1);
    for (const [index, weight] of weights[row].entries()) {
      const at = clampIndex(first[row] + index, boxes) * width;
      for (let byte = 0; byte < width; byte++) sums[byte] += weight * boxed[at + byte];
    }
    for (let byte = 0; byte < width; byte++) out[row * width + byte] = sums[byte] >> 12;
  }
  return new Uint8Array(out.buffer);
}

/** In each of `lines` lines, `from` pixels become `to` pixels. */
function shrinkColumns(source: Uint8Array, lines: number, from: number, to: number): Uint8Array {
  const { factor, boxes, first, weights } = planShrinking(from, to);
  const multiplier = Math.floor(2 ** 24 / factor);
  const points = weights[0].length;
  const out = new Uint8ClampedArray(lines * to * 3);
  const line = new Uint8Array(3 * boxes);
  for (let y = 0; y < lines; y++) {
    const start = 3 * y * from;
    for (let box = 0; box < boxes; box++) {
      let [red, green, blue] = [factor >> 1, factor >> 1, factor >> 1];
      for (let index = 0; index < factor; index++) {
        const at = start + 3 * Math.min(from - 1, box * factor + index);
        red += source[at];
        green += source[at + 1];
        blue += source[at + 2];
      }
      line[3 * box] = Math.imul(red, multiplier) >>> 24;
      line[3 * box + 1] = Math.imul(green, multiplier) >>> 24;
      line[3 * box + 2] = Math.imul(blue, multiplier) >>> 24;
    }
    for (let x = 0; x < to; x++) {
      const table = weights[x];
      let [red, green, blue] = [WEIGHT_ONE >> 1, WEIGHT_ONE >> 1, WEIGHT_ONE >> 1];
      for (let index = 0; index < points; index++) {
        const at = 3 * clampIndex(first[x] + index, boxes);
        const weight = table[index];
        red += weight * line[at];
        green += weight * line[at + 1];
        blue += weight * line[at + 2];
      }
      const to3 = 3 * (y * to + x);
      out[to3] = red >> 12;
      out[to3 + 1] = green >> 12;
      out[to3 + 2] = blue >> 12;
    }
  }
  return new Uint8Array(out.buffer);
}

/** Catmull-Rom's cubic (Keys 1981, a = −1/2) through four neighbors, 0 ≤ x ≤ 1 from the second to the third. */
function cubicTable(x: number): Int32Array {
  const weights = [
    -0.5 * x * (1 - x) ** 2,
    1 - 2.5 * x ** 2 + 1.5 * x ** 3,
    0.5 * x + 2 * x ** 2 - 1.5 * x ** 3,
    -0.5 * x ** 2 * (1 - x),
  ];
  return Int32Array.from(weights, (weight) => Math.trunc(weight * WEIGHT_ONE));
}

/** Edges are repeated. Each row is filtered and rounded, then the four rows. */
function enlarge(pixels: Uint8Array, from: number, to: number): Uint8Array {
  const tables = Array.from({ length: POSITIONS + 1 }, (_, step) => cubicTable(step / POSITIONS));
  const places = Array.from({ length: to }, (_, place) => {
    // Not a pixel center: libvips places an enlarged picture so, up to half a pixel to the right of where it was.
    const position = (place * from) / to - 0.5;
    const whole = Math.floor(position);
    const at = [-1, 0, 1, 2].map((offset) => clampIndex(whole + offset, from));
    return { at, weights: tables[nearestStep(position - whole)] };
  });
  const half = WEIGHT_ONE >> 1;
  const wide = new Int32Array(from * to * 3);
  for (let y = 0; y < from; y++) {
    for (const [x, { at, weights }] of places.entries()) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = half;
        for (let tap = 0; tap < 4; tap++) sum += weights[tap] * pixels[3 * (y * from + at[tap]) + channel];
        wide[3 * (y * to + x) + channel] = sum >> 12;
      }
    }
  }
  const out = new Uint8ClampedArray(to * to * 3);
  for (const [y, { at, weights }] of places.entries()) {
    for (let index = 0; index < 3 * to; index++) {
      let sum = half;
      for (let tap = 0; tap < 4; tap++) sum += weights[tap] * wide[3 * to * at[tap] + index];
      out[3 * to * y + index] = sum >> 12;
    }
  }
  return new Uint8Array(out.buffer);
}
