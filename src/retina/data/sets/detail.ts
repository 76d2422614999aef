/** The fine structure of a picture (its vessels, lesions and disc), by which two pictures are recognized as showing the same eye. */

/** Side to which pictures are scaled for it. */
export const DETAIL_SIDE = 128;

/** Half the side of the neighborhood whose mean is taken off, so that brightness, shading and the shape of the disc do not count. */
const REACH = 4;

/** Only where the whole neighborhood is at least this share of the picture's bright end: the edge of the disc is the same in all pictures of a camera. */
const INSIDE = 0.25;

/** Pixels that two pictures must have in common. */
const LEAST_PIXELS = 500;

/** What stands where the picture has no detail. */
const OUTSIDE = -128;

/** Relative differences from the neighborhood's mean are kept in steps of 1/256, −127 … 127. */
const STEPS = 256;

/** @param gray `DETAIL_SIDE` x `DETAIL_SIDE`, 16 bits: in a dark picture 8 bits would be a few steps. */
export function detailOf(gray: Uint16Array): Int8Array {
  const side = DETAIL_SIDE;
  const bright = gray.slice().sort()[Math.floor(0.95 * gray.length)];
  const sums = integral(gray, side);
  const isDark = new Uint16Array(gray.length);
  for (let at = 0; at < gray.length; at++) isDark[at] = gray[at] < INSIDE * bright ? 1 : 0;
  const dark = integral(isDark, side);
  const detail = new Int8Array(side * side).fill(OUTSIDE);
  for (let y = REACH; y < side - REACH; y++) {
    for (let x = REACH; x < side - REACH; x++) {
      if (boxSum(dark, x, y) > 0) continue;
      const mean = boxSum(sums, x, y) / (2 * REACH + 1) ** 2;
      if (mean === 0) continue;
      const relative = Math.round(STEPS * (gray[y * side + x] / mean - 1));
      detail[y * side + x] = Math.max(-127, Math.min(127, relative));
    }
  }
  return detail;
}

/** Pearson's correlation of two pictures' details where both have some, −1 … 1; NaN where that is too little, or one is flat. */
export function correlation(a: Int8Array, b: Int8Array): number {
  let count = 0;
  let [sumA, sumB, sumAA, sumBB, sumAB] = [0, 0, 0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    const one = a[index];
    const other = b[index];
    if (one === OUTSIDE || other === OUTSIDE) continue;
    count++;
    sumA += one;
    sumB += other;
    sumAA += one * one;
    sumBB += other * other;
    sumAB += one * other;
  }
  if (count < LEAST_PIXELS) return Number.NaN;
  return (sumAB - (sumA * sumB) / count) / Math.sqrt((sumAA - sumA ** 2 / count) * (sumBB - sumB ** 2 / count));
}

/** Sums of all pixels above and left of each, (side + 1)². */
function integral(values: Uint16Array, side: number): Float64Array {
  const sums = new Float64Array((side + 1) ** 2);
  for (let y = 0; y < side; y++) {
    let row = 0;
    for (let x = 0; x < side; x++) {
      row += values[y * side + x];
      sums[(y + 1) * (side + 1) + x + 1] = sums[y * (side + 1) + x + 1] + row;
    }
  }
  return sums;
}

function boxSum(sums: Float64Array, x: number, y: number): number {
  const top = (y - REACH) * (DETAIL_SIDE + 1);
  const bottom = (y + REACH + 1) * (DETAIL_SIDE + 1);
  const left = x - REACH;
  const right = x + REACH + 1;
  return sums[bottom + right] - sums[top + right] - sums[bottom + left] + sums[top + left];
}

/** Whether a picture has too little detail to correlate with any other. */
export function isFlat(detail: Int8Array): boolean {
  return Number.isNaN(correlation(detail, detail));
}
