/** What a tensor is without its memory: shape and element type, and their bytes. */
import { float16FromBits, float16ToBits } from './float16.ts';

/**
 * Element types a tensor can hold on the device. Indices and seeds are u32/i32; everything differentiable is f32, or f16: a storage
 * format only (kernels compute in float32), whose numbers travel to and from the host as float32.
 */
export type DType = 'f32' | 'f16' | 'u32' | 'i32';

export type TypedArray = Float32Array | Uint32Array | Int32Array;

export type Shape = readonly number[];

/** What is known of a tensor before it has memory: its shape (row-major, contiguous) and element type. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Bytes of one element. */
function bytesPerElement(dtype: DType): number {
  switch (dtype) {
    case 'f32':
    case 'u32':
    case 'i32':
      return 4;
    case 'f16':
      return 2;
    default:
      return dtype satisfies never;
  }
}

/** Number of elements of a shape; a scalar (rank 0) has one. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Bytes that the contiguous elements of `spec` take. */
export function byteLength(spec: TensorSpec): number {
  return sizeOf(spec.shape) * bytesPerElement(spec.dtype);
}

/** A spec of float32 elements. */
export function f32(shape: Shape): TensorSpec {
  return { shape, dtype: 'f32' };
}

/** Whether gradients can flow through a tensor of this type. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f16';
}

/** `[2, 3, 4]`, as shapes are written in messages and labels. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** A new typed array of zeros that holds elements of `dtype` on the host: float32 for f16. */
export function allocateTyped(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case 'f32':
    case 'f16':
      return new Float32Array(length);
    case 'u32':
      return new Uint32Array(length);
    case 'i32':
      return new Int32Array(length);
    default:
      return dtype satisfies never;
  }
}

/** `length` elements of `dtype` out of the bytes a device holds: views of `buffer`, except that f16 is converted. */
export function fromDeviceBytes(dtype: DType, buffer: ArrayBuffer, length: number): TypedArray {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, 0, length);
    case 'f16':
      return float16FromBits(new Uint16Array(buffer, 0, length));
    case 'u32':
      return new Uint32Array(buffer, 0, length);
    case 'i32':
      return new Int32Array(buffer, 0, length);
    default:
      return dtype satisfies never;
  }
}

/** The bytes a device holds for `data` as elements of `dtype`, in whole words of four bytes (odd counts of f16 end in two zero bytes). */
export function toDeviceBytes(
  dtype: DType,
  data: TypedArray | readonly number[] | Float64Array,
): ArrayBufferView<ArrayBuffer> {
  if (dtype === 'f16') return float16ToBits(data, data.length + (data.length % 2));
  const target = allocateTyped(dtype, 0);
  if (data.constructor === target.constructor) return data as TypedArray & ArrayBufferView<ArrayBuffer>;
  const copy = allocateTyped(dtype, data.length);
  copy.set(data);
  return copy as TypedArray & ArrayBufferView<ArrayBuffer>;
}
