/** PyTorch files written operation by operation, for tests of what is refused. */
import { expect } from 'vitest';
import { GmtlError } from '../errors.ts';
import { sizeOf } from '../tensor/spec.ts';
import type { StoredTensors } from './safetensors.ts';
import { readTorchFile } from './torchFile.ts';

/** `code: message` of the one line that a file is refused with. */
export function refusal(bytes: Uint8Array, name = 'evil.pth'): string {
  try {
    const { tensors } = readTorchFile(bytes, name);
    return `read ${tensors.size} tensors`;
  } catch (error) {
    if (!(error instanceof GmtlError)) throw error;
    expect(error.message.split('\n')).toHaveLength(1);
    return `${error.code}: ${error.message}`;
  }
}

export const text = (value: string): number[] => [...new TextEncoder().encode(value)];
export const global = (module: string, name: string): number[] => [0x63, ...text(`${module}\n${name}\n`)];
export const u32 = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
export const unicode = (value: string): number[] => [0x58, ...u32(text(value).length), ...text(value)];
export const int = (value: number): number[] => [0x4a, ...u32(value)];

/** A zip archive as PyTorch's, with data.pkl of these operations and one storage of 16 bytes. */
export function archive(operations: ArrayLike<number>, method = 0): Uint8Array {
  return zip(
    [
      ['m/data.pkl', pickled(operations)],
      ['m/data/0', new Uint8Array(16)],
    ],
    method,
  );
}

/** A whole pickle of protocol 2 of these operations. */
export function pickled(operations: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(operations.length + 3);
  bytes.set([0x80, 2]);
  bytes.set(operations, 2);
  bytes[bytes.length - 1] = 0x2e;
  return bytes;
}

/** A zip archive of uncompressed members, whose directory states `method`. */
export function zip(members: readonly (readonly [string, Uint8Array])[], method = 0): Uint8Array {
  const u16 = (value: number): number[] => [value & 255, value >> 8];
  const body: Uint8Array[] = [];
  const directory: number[] = [];
  let at = 0;
  for (const [name, content] of members) {
    const encoded = text(name);
    const sizes = [...u32(content.length), ...u32(content.length), ...u16(encoded.length), ...u16(0)];
    const version = [...u16(20), ...u16(0), ...u16(method), ...u32(0), ...u32(0)];
    directory.push(...u32(0x02014b50), ...u16(20), ...version, ...sizes);
    directory.push(...u16(0), ...u16(0), ...u16(0), ...u32(0), ...u32(at), ...encoded);
    const header = Uint8Array.from([...u32(0x04034b50), ...version, ...sizes, ...encoded]);
    body.push(header, content);
    at += header.length + content.length;
  }
  const counts = [...u16(members.length), ...u16(members.length)];
  const end = [...u32(0x06054b50), ...u16(0), ...u16(0), ...counts, ...u32(directory.length), ...u32(at), ...u16(0)];
  return new Uint8Array(Buffer.concat([...body, Uint8Array.from(directory), Uint8Array.from(end)]));
}

/** The operations that make a tensor of `shape` and `strides` on the storage `key`, which they say has `count` elements. */
function tensorValue(
  key: string,
  shape: readonly number[],
  strides: readonly number[],
  count: number,
  type = 'FloatStorage',
): number[] {
  const tuple = (values: readonly number[]): number[] => [0x28, ...values.flatMap(int), 0x74];
  const id = [...unicode('storage'), ...global('torch', type), ...unicode(key), ...unicode('cpu'), ...int(count)];
  const args = [0x28, 0x28, ...id, 0x74, 0x51, ...int(0), ...tuple(shape), ...tuple(strides), 0x89, 0x4e, 0x74];
  return [...global('torch._utils', '_rebuild_tensor_v2'), ...args, 0x52];
}

/** {'w': a float tensor of `shape` and `strides` on the storage of four elements that says it has `count`}. */
export function tensor(
  shape: readonly number[],
  strides: readonly number[],
  count = 4,
  type = 'FloatStorage',
): number[] {
  return [0x7d, ...unicode('w'), ...tensorValue('0', shape, strides, count, type), 0x73];
}

/** A PyTorch file of float32 tensors: a state dict as `torch.save` writes it. */
export function torchFileOf(tensors: StoredTensors): Uint8Array {
  const operations: number[] = [0x7d];
  const members: [string, Uint8Array][] = [];
  for (const [name, { shape, data }] of tensors) {
    if (!(data instanceof Float32Array)) throw new Error(`${name} is not float32`);
    const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
    operations.push(...unicode(name), ...tensorValue(String(members.length), shape, strides, data.length), 0x73);
    members.push([`m/data/${members.length}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
  }
  return zip([['m/data.pkl', pickled(operations)], ...members]);
}
