/** Numbers of the host on their way into a tensor: their shape and type, and that they are what the type can hold. */
import { GmtlError } from '../errors.ts';
import type { DType, TypedArray } from './spec.ts';

/** Arrays of numbers nested to any depth. */
export interface NestedNumbers extends ReadonlyArray<number | NestedNumbers> {}

/** What a tensor can be made of. */
export type HostData =
  | TypedArray
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | BigInt64Array
  | BigUint64Array
  | NestedNumbers;

interface HostArray {
  readonly data: TypedArray | Float64Array;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Whole numbers of types that tensors do not have. */
const NARROW = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array];
const WIDE = [BigInt64Array, BigUint64Array];

const RANGES: Partial<Record<DType, readonly [number, number]>> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
};

function dataError(what: string, index: number, value: unknown, problem: string): GmtlError {
  const shown = typeof value === 'string' ? `'${value}'` : typeof value === 'bigint' ? `${value}n` : String(value);
  return new GmtlError('tensor/data', `${what}: element ${index} is ${shown}, ${problem}`);
}

/** As NumPy: an array that holds itself would be walked until the process ends. */
const MOST_AXES = 64;

/** The numbers of nested arrays in row-major order; the first of each level says how long the others are. */
function flatten(what: string, nested: NestedNumbers): { data: number[]; shape: number[] } {
  const shape: number[] = [];
  for (let level: unknown = nested; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (shape.length > MOST_AXES)
      throw new GmtlError(
        'tensor/shape',
        `${what}: the arrays are nested more than ${MOST_AXES} deep, or hold themselves`,
      );
  }
  const data: number[] = [];
  const walk = (item: unknown, depth: number): void => {
    if (depth === shape.length) {
      if (typeof item !== 'number') throw dataError(what, data.length, item, 'not a number');
      data.push(item);
      return;
    }
    if (!Array.isArray(item) || item.length !== shape[depth]) {
      const found = Array.isArray(item) ? `${item.length} long` : String(item);
      throw new GmtlError(
        'tensor/shape',
        `${what}: an array within the data is ${found} where others of its level are ${shape[depth]} long`,
      );
    }
    for (const inner of item) walk(inner, depth + 1);
  };
  walk(nested, 0);
  return { data, shape };
}

/** Throws unless all of `data` are whole numbers that `dtype` holds. */
function requireWhole(what: string, data: ArrayLike<number>, dtype: DType): void {
  const range = RANGES[dtype];
  if (!range) return;
  for (let i = 0; i < data.length; i++) {
    if (!Number.isInteger(data[i]) || data[i] < range[0] || data[i] > range[1])
      throw dataError(
        what,
        i,
        data[i],
        `which ${dtype} does not hold: it takes whole numbers from ${range[0]} to ${range[1]}`,
      );
  }
}

/** Memory of its own where the numbers lie in memory that threads share, which a device does not take. */
const unshared = <T extends TypedArray | Float64Array>(data: T): T =>
  data.buffer instanceof ArrayBuffer ? data : (data.slice() as T);

/**
 * The numbers of `data` with their shape and type (`dtype` where given). `what` names the caller in errors.
 * @throws GmtlError `tensor/data` or `tensor/shape`
 */
export function hostArray(what: string, data: HostData, dtype?: DType): HostArray {
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const type = dtype ?? 'f32';
    requireWhole(what, data, type);
    return { data: unshared(data), shape: [data.length], dtype: type };
  }
  if (data instanceof Int32Array || data instanceof Uint32Array) {
    const own = data instanceof Int32Array ? 'i32' : 'u32';
    const type = dtype ?? own;
    if (type !== own) requireWhole(what, data, type);
    return { data: unshared(data), shape: [data.length], dtype: type };
  }
  const isWide = WIDE.some((kind) => data instanceof kind);
  if (isWide || NARROW.some((kind) => data instanceof kind)) {
    const numbers = isWide ? Float64Array.from(data as BigInt64Array, Number) : Int32Array.from(data as Uint8Array);
    const type = dtype ?? 'i32';
    requireWhole(what, numbers, type);
    return { data: numbers, shape: [numbers.length], dtype: type };
  }
  if (!Array.isArray(data)) {
    throw new GmtlError(
      'tensor/data',
      `${what}: the data is ${String(data)}; it takes a typed array or an array of numbers`,
    );
  }
  const { data: numbers, shape } = flatten(what, data);
  requireWhole(what, numbers, dtype ?? 'f32');
  return { data: Float64Array.from(numbers), shape, dtype: dtype ?? 'f32' };
}
