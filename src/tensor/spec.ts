/** Element types a tensor can hold on the device. Indices and seeds are u32/i32; everything differentiable is f32. */
export type DType = 'f32' | 'u32' | 'i32';

export type TypedArray = Float32Array | Uint32Array | Int32Array;

export type Shape = readonly number[];

/** What is known of a tensor before it has memory: its shape (row-major, contiguous) and element type. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  switch (dtype) {
    case 'f32':
    case 'u32':
    case 'i32':
      return 4;
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

/** `[2, 3, 4]`, as shapes are written in messages and labels. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** A typed array of the matching element type over fresh zeros. */
export function allocateTyped(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case 'f32':
      return new Float32Array(length);
    case 'u32':
      return new Uint32Array(length);
    case 'i32':
      return new Int32Array(length);
    default:
      return dtype satisfies never;
  }
}

/** A view of `buffer` as elements of `dtype`. */
export function viewTyped(dtype: DType, buffer: ArrayBuffer): TypedArray {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer);
    case 'u32':
      return new Uint32Array(buffer);
    case 'i32':
      return new Int32Array(buffer);
    default:
      return dtype satisfies never;
  }
}
