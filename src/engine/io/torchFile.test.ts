/** Tier: no adapter. PyTorch's files as PyTorch wrote them (fixtures/make_torch_files.py), and a corpus of hostile ones. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LONG_TESTS } from '../../../kernels-test/long.ts';
import { archive, global, int, refusal, tensor, u32, unicode } from './testsupport.ts';
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
    'a storage called as a function': [archive([...global('torch', 'FloatStorage'), 0x29, 0x52]), /is not a tensor/],
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
    'an endless stack': [
      archive(new Uint8Array(2_000_100).fill(0x4e)),
      /more than 2000000 operations: .* long list of numbers/,
    ],
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
      // Steps that fall on every part of the archive.
      for (let length = 0; length < original.length; length += LONG_TESTS ? 5 : 97) refusal(original.slice(0, length));
      for (let at = 0; at < original.length; at += LONG_TESTS ? 1 : 29) {
        const changed = original.slice();
        changed[at] ^= 0x5a;
        refusal(changed);
      }
    }
  });
});
