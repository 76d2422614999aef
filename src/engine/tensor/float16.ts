/**
 * Converts IEEE 754 binary16 in JavaScript: Node 20 has no Float16Array, and two conversions of ten lines, tested over every pattern,
 * replace a dependency.
 */
const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

/** Bits of an IEEE 754 binary16 → number (exact, subnormals, infinities and NaN included). */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Number → bits of the nearest binary16 (ties to even; from 65,520 on it is infinity). */
export function numberToFloat16(value: number): number {
  scratchFloat[0] = value;
  const bits = scratchBits[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14 the result counts units of 2^-24; the product is exact in float64, so only the rounding is left.
    const units = Math.abs(scratchFloat[0]) * 2 ** 24;
    return sign | roundHalfToEven(units);
  }
  // Re-bias the exponent (127 → 15) and round away the 13 low fraction bits; a carry into the exponent is the right answer.
  const rebased = magnitude - 0x38000000;
  return sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13);
}

/** Bits of a bfloat16 (the upper half of a float32) → number. */
export function bfloat16ToNumber(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratchFloat[0];
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The binary16 nearest to `value`, as a number. */
export function roundToFloat16(value: number): number {
  return float16ToNumber(numberToFloat16(value));
}

let decoded: Float32Array | null = null;

/** Bits → numbers, by a table of all 65,536 (made at first use). */
export function float16FromBits(bits: Uint16Array): Float32Array {
  decoded ??= Float32Array.from({ length: 65_536 }, (_, pattern) => float16ToNumber(pattern));
  const table = decoded;
  const numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) numbers[i] = table[bits[i]];
  return numbers;
}

/** Numbers → bits; `length` (at least theirs) makes room for zeros behind. */
export function float16ToBits(numbers: ArrayLike<number>, length = numbers.length): Uint16Array<ArrayBuffer> {
  const bits = new Uint16Array(length);
  for (let i = 0; i < numbers.length; i++) bits[i] = numberToFloat16(numbers[i]);
  return bits;
}
