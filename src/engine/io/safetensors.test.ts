/** Tier: no adapter. Safetensors round trips, half-precision formats, and what is refused. */
import { describe, expect, test } from 'vitest';
import { bfloat16ToNumber, float16ToNumber, numberToFloat16 } from '../tensor/float16.ts';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors.ts';

const tensors = new Map<string, StoredTensor>([
  ['10', { dtype: 'U8', shape: [3], data: new Uint8Array([1, 2, 255]) }],
  ['stem.0.weight', { dtype: 'F32', shape: [2, 1, 3], data: new Float32Array([1, -2, 0.5, Infinity, 1e-40, 7]) }],
  ['half', { dtype: 'F16', shape: [2], data: new Float32Array([1.5, -65504]) }],
  ['labels', { dtype: 'I32', shape: [1, 2], data: new Int32Array([-1, 2 ** 31 - 1]) }],
  ['seed', { dtype: 'U32', shape: [1], data: new Uint32Array([4294967295]) }],
  ['num_batches_tracked', { dtype: 'I64', shape: [], data: new BigInt64Array([-9007199254740993n]) }],
  ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
]);

/** A file around a header written by hand. */
function fileOf(header: string, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
const entry = (name: string, dtype: string, shape: string, begin: number, end: number) =>
  `"${name}":{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe('round trip', () => {
  const bytes = encodeSafetensors(tensors, { format: 'pt', note: 'ä"\n' });

  test('keeps names, order, shapes, types, values and metadata', () => {
    const { tensors: read, metadata } = decodeSafetensors(bytes, 'a.safetensors');
    expect(metadata).toEqual({ format: 'pt', note: 'ä"\n' });
    expect(new Set(read.keys())).toEqual(new Set(tensors.keys()));
    for (const [name, tensor] of tensors) expect(read.get(name), name).toEqual(tensor);
  });

  test('the header is padded so that the data begins at a multiple of 8, and each tensor is aligned', () => {
    const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
    expect(header['stem.0.weight'].data_offsets[0] % 4).toBe(0);
    expect(header.num_batches_tracked.data_offsets[0] % 8).toBe(0);
  });

  test('reads from a view that begins at an odd address', () => {
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(decodeSafetensors(shifted.subarray(1), 'a').tensors.get('labels')).toEqual(tensors.get('labels'));
  });

  test('a Node Buffer, whose slice() shares memory, gives arrays of their own', () => {
    const pool = Buffer.from(new Uint8Array(bytes.length + 1));
    pool.set(bytes, 1);
    const read = decodeSafetensors(pool.subarray(1), 'a').tensors;
    pool.fill(0);
    for (const [name, tensor] of tensors) expect(read.get(name), name).toEqual(tensor);
  });

  test('a name like __proto__ is an ordinary tensor', () => {
    const map = new Map([['__proto__', tensors.get('seed')!]]);
    expect([...decodeSafetensors(encodeSafetensors(map), 'a').tensors.keys()]).toEqual(['__proto__']);
  });
});

test('every binary16 survives widening and rounding; bfloat16 widens exactly', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = float16ToNumber(bits);
    if (Number.isNaN(value)) expect(numberToFloat16(value) & 0x7fff).toBe(0x7e00);
    else if (numberToFloat16(value) !== bits)
      throw new Error(`0x${bits.toString(16)} became 0x${numberToFloat16(value).toString(16)}`);
  }
  expect([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 1.5 * 2 ** -24, -1e9].map(numberToFloat16)).toEqual([
    0x3c00, 0x3c02, 0x7bff, 0x7c00, 0, 2, 0xfc00,
  ]);
  expect([0x3f80, 0xc040, 0x0001].map(bfloat16ToNumber)).toEqual([1, -3, 2 ** -133]);
});

test('reads BF16 and widens it', () => {
  const bytes = fileOf(`{${entry('b', 'BF16', '[2]', 0, 4)}}`, 4);
  bytes.set([0x80, 0x3f, 0x40, 0xc0], bytes.length - 4);
  expect(decodeSafetensors(bytes, 'a').tensors.get('b')!.data).toEqual(new Float32Array([1, -3]));
});

describe('refuses, saying why', () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const whole = encodeSafetensors(tensors);
  const cases: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /empty/],
    ['a PNG', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13]), /PNG image/],
    ['a .pth zip', new Uint8Array([0x50, 0x4b, 3, 4, 0, 0, 8, 8, 0, 0, 0, 0]), /PyTorch.*safetensors\.torch/],
    ['a pickle', new Uint8Array([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]), /pickle/],
    ['a Git LFS pointer', text('version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
    ['a web page', text('<!DOCTYPE html><html>'), /web page/],
    ['noise', new Uint8Array(100).fill(0xaa), /unknown kind/],
    ['a cut in the data', whole.subarray(0, whole.length - 1), /cut short: its header promises/],
    ['a cut in the header', whole.subarray(0, 20), /cut short within its header/],
    ['trailing bytes', fileOf(`{${entry('a', 'U8', '[2]', 0, 2)}}`, 3), /1 bytes after the last tensor/],
    ['a broken header', fileOf('{"a":', 0), /not valid JSON/],
    [
      'a duplicate name',
      fileOf(`{${entry('a', 'U8', '[1]', 0, 1)},${entry('\\u0061', 'U8', '[1]', 1, 2)}}`, 2),
      /names "a" twice/,
    ],
    [
      'an overlap',
      fileOf(`{${entry('a', 'U8', '[2]', 0, 2)},${entry('b', 'U8', '[2]', 1, 3)}}`, 3),
      /"b" overlaps tensor "a"/,
    ],
    ['a hole', fileOf(`{${entry('a', 'U8', '[1]', 1, 2)}}`, 2), /1 bytes between the header and tensor "a"/],
    ['a shape that disagrees', fileOf(`{${entry('a', 'F32', '[2]', 0, 4)}}`, 4), /needs 8 bytes, its offsets span 4/],
    ['an unknown dtype', fileOf(`{${entry('a', 'F64', '[1]', 0, 8)}}`, 8), /dtype "F64"; gmtl reads F32/],
    ['a negative size', fileOf(`{${entry('a', 'U8', '[-1]', 0, 1)}}`, 1), /shape \[-1\]/],
    ['reversed offsets', fileOf(`{${entry('a', 'U8', '[1]', 1, 0)}}`, 1), /offsets \[1,0\]/],
    ['metadata that is not text', fileOf('{"__metadata__":{"a":1}}', 0), /metadata "a" is not a string/],
  ];
  test.each(cases)('%s', (_name, bytes, message) => {
    expect(() => decodeSafetensors(bytes, 'weights.bin')).toThrow(message);
    expect(() => decodeSafetensors(bytes, 'weights.bin')).toThrow(/^weights\.bin: /);
  });

  test('tensors that contradict themselves on writing', () => {
    const encode = (tensor: StoredTensor) => () => encodeSafetensors(new Map([['w', tensor]]));
    expect(encode({ dtype: 'F32', shape: [3], data: new Float32Array(2) })).toThrow(
      /"w": the shape \[3\] has 3 elements, its data 2/,
    );
    expect(encode({ dtype: 'F32', shape: [2], data: new Int32Array(2) })).toThrow(
      /takes a Float32Array, not a Int32Array/,
    );
    expect(encode({ dtype: 'BF16', shape: [2], data: new Float32Array(2) })).toThrow(/read only/);
  });
});
