/** Tier: no adapter. PyTorch's files as PyTorch wrote them (fixtures/make_torch_files.py), and a corpus of hostile ones. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GmtlError } from '../errors.ts';
import { readTorchFile } from './torchFile.ts';

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)));
type Held = Record<string, { shape: number[]; data: number[] }>;
const held = JSON.parse(new TextDecoder().decode(fixture('torch_files.json'))) as Record<
  'dtypes' | 'model' | 'ema',
  Held
>;

const rounded = (values: ArrayLike<number | bigint>): number[] =>
  Array.from(values, (value) => Math.fround(Number(value)));

function expectHeld(name: string, want: Held, path: string, prefix = ''): void {
  const { tensors, path: found } = readTorchFile(fixture(name), name);
  expect(found).toBe(path);
  expect([...tensors.keys()]).toEqual(Object.keys(want).map((key) => prefix + key));
  for (const [key, { shape, data }] of Object.entries(want)) {
    expect(tensors.get(prefix + key)?.shape, key).toEqual(shape);
    expect(rounded(tensors.get(prefix + key)?.data ?? []), key).toEqual(rounded(data));
  }
}

describe("PyTorch's files", () => {
  it.each(['dtypes.pth', 'dtypes-legacy.pth', 'dtypes-protocol4.pth'])('%s holds what was saved', (name) => {
    expectHeld(name, held.dtypes, '');
    expect(readTorchFile(fixture(name), name).tensors.get('count')?.data).toEqual(BigInt64Array.of(2n ** 40n + 1n));
  });

  it('hold a state dict within a checkpoint, averages before raw weights, the optimizer never', () => {
    expectHeld('checkpoint.pth', held.model, 'state_dict');
    expectHeld('checkpoint-ema.pth', held.ema, 'state_dict_ema');
    expectHeld('ddp.pth', held.model, '', 'module.');
  });

  it.each([
    ['module.pth', 'torch/refused', 'torch.nn.modules'],
    ['bytes.pth', 'torch/dtype', 'tensor weight is of type Byte'],
    ['nothing.pth', 'torch/no-weights', 'holds no state dict'],
  ])('%s is refused with the reason', (name, code, message) => {
    expect(refusal(fixture(name), name)).toMatch(new RegExp(`^${code}: ${name}: .*${message}`));
  });
});

/** `code: message` of the one line that a file is refused with. */
function refusal(bytes: Uint8Array, name = 'evil.pth'): string {
  try {
    const { tensors } = readTorchFile(bytes, name);
    return `read ${tensors.size} tensors`;
  } catch (error) {
    if (!(error instanceof GmtlError)) throw error;
    expect(error.message.split('\n')).toHaveLength(1);
    return `${error.code}: ${error.message}`;
  }
}

const text = (value: string): number[] => [...new TextEncoder().encode(value)];
const global = (module: string, name: string): number[] => [0x63, ...text(`${module}\n${name}\n`)];
const u32 = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
const unicode = (value: string): number[] => [0x58, ...u32(value.length), ...text(value)];
const int = (value: number): number[] => [0x4a, ...u32(value)];

/** A zip archive as PyTorch's, with data.pkl of these operations and one storage of 16 bytes. */
function archive(operations: readonly number[], method = 0): Uint8Array {
  const members: [string, Uint8Array][] = [
    ['m/data.pkl', Uint8Array.from([0x80, 2, ...operations, 0x2e])],
    ['m/data/0', new Uint8Array(16)],
  ];
  const u16 = (value: number): number[] => [value & 255, value >> 8];
  const body: number[] = [];
  const directory: number[] = [];
  for (const [name, content] of members) {
    const sizes = [...u32(content.length), ...u32(content.length), ...u16(name.length), ...u16(0)];
    directory.push(
      ...u32(0x02014b50),
      ...u16(20),
      ...u16(20),
      ...u16(0),
      ...u16(method),
      ...u32(0),
      ...u32(0),
      ...sizes,
    );
    directory.push(...u16(0), ...u16(0), ...u16(0), ...u32(0), ...u32(body.length), ...text(name));
    const header = [
      ...u32(0x04034b50),
      ...u16(20),
      ...u16(0),
      ...u16(method),
      ...u32(0),
      ...u32(0),
      ...sizes,
      ...text(name),
    ];
    for (const byte of [...header, ...content]) body.push(byte);
  }
  const counts = [...u16(members.length), ...u16(members.length)];
  const end = [
    ...u32(0x06054b50),
    ...u16(0),
    ...u16(0),
    ...counts,
    ...u32(directory.length),
    ...u32(body.length),
    ...u16(0),
  ];
  return Uint8Array.from([...body, ...directory, ...end]);
}

/** {'w': a float tensor of `shape` and `strides` on the storage of four elements that says it has `count`}. */
function tensor(shape: readonly number[], strides: readonly number[], count = 4, type = 'FloatStorage'): number[] {
  const tuple = (values: readonly number[]): number[] => [0x28, ...values.flatMap(int), 0x74];
  const storage = [
    0x28,
    ...unicode('storage'),
    ...global('torch', type),
    ...unicode('0'),
    ...unicode('cpu'),
    ...int(count),
    0x74,
    0x51,
  ];
  const args = [0x28, ...storage, ...int(0), ...tuple(shape), ...tuple(strides), 0x89, 0x4e, 0x74];
  return [0x7d, ...unicode('w'), ...global('torch._utils', '_rebuild_tensor_v2'), ...args, 0x52, 0x73];
}

describe('a hostile file ends in one clear line:', () => {
  const whole = fixture('checkpoint.pth');
  const legacy = fixture('dtypes-legacy.pth');
  const corpus: Record<string, [Uint8Array, RegExp]> = {
    'code that runs a command': [
      archive([...global('os', 'system'), ...unicode('true'), 0x85, 0x52]),
      /os\.system.*runs no code/,
    ],
    'code by name from the stack': [archive([...unicode('builtins'), ...unicode('eval'), 0x93]), /builtins\.eval/],
    'an object with state': [archive([...global('collections', 'OrderedDict'), 0x29, 0x81]), /operation 0x81/],
    'a call with wrong arguments': [
      archive([...global('torch._utils', '_rebuild_tensor_v2'), 0x29, 0x52]),
      /made of other things/,
    ],
    'a storage called as a function': [archive([...global('torch', 'FloatStorage'), 0x29, 0x52]), /is no tensor/],
    'a dict of no pairs': [
      archive([...global('collections', 'OrderedDict'), 0x5d, ...int(1), 0x61, 0x85, 0x52]),
      /dict of no pairs/,
    ],
    'a tensor beyond its storage': [archive(tensor([2, 3], [3, 1])), /outside its storage/],
    'a tensor of a trillion elements by stride 0': [archive(tensor([2 ** 30, 1024], [0, 0])), /outside its storage/],
    'a storage that claims more than it has': [archive(tensor([2 ** 20], [1], 2 ** 20)), /missing or cut short/],
    'a negative size': [archive(tensor([-1], [1])), /other things than numbers/],
    'a huge text': [archive([0x58, ...u32(0xffffffff)]), /cut short/],
    'a huge number': [archive([0x8b, ...u32(2 ** 31 - 1)]), /number of 2147483647 bytes/],
    'a value that was never made': [archive([0x30]), /more values than it has made/],
    'a memo that was never set': [archive([0x68, 7]), /not remembered/],
    'an endless stack': [archive(new Array<number>(1_000_100).fill(0x5d)), /without bound/],
    'a list that holds itself': [archive([0x5d, 0x71, 0, 0x68, 0, 0x61]), /no state dict/],
    'a dict that holds itself': [archive([0x7d, 0x71, 0, ...unicode('me'), 0x68, 0, 0x73]), /no state dict/],
    'nested to ten thousand levels': [
      archive(
        Array.from({ length: 10_000 }, () => [0x7d, ...unicode('k')])
          .flat()
          .concat(0x4e, new Array<number>(10_000).fill(0x73)),
      ),
      /no state dict/,
    ],
    'a compressed member (a bomb)': [archive(tensor([1], [1]), 8), /compressed/],
    'a pickle of another program': [Uint8Array.from([0x80, 2, 0x7d, 0x2e]), /another pickle/],
    'a zip of other things': [
      archive([0x4e]).map((byte, at, all) => (all[at] === 0x6d && all[at + 1] === 0x2f ? 0x2f : byte)),
      /no data\.pkl/,
    ],
    'a broken protocol': [Uint8Array.from([0x80, 9]), /unknown protocol/],
  };
  it.each(Object.entries(corpus))('%s', (_, [bytes, reason]) => {
    const got = refusal(bytes);
    expect(got).toMatch(/^torch\/(refused|no-weights): evil\.pth: /);
    expect(got).toMatch(reason);
  });

  it('cut anywhere, or with any byte changed: read or refused, never another error', () => {
    for (const original of [whole, legacy]) {
      for (let length = 0; length < original.length; length += 13) refusal(original.slice(0, length));
      for (let at = 0; at < original.length; at += 3) {
        const changed = original.slice();
        changed[at] ^= 0x5a;
        refusal(changed);
      }
    }
  });
});
