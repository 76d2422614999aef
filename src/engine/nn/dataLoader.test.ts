/** Tier: no adapter. Batches in order, shuffled and fetched ahead; what their tensors hold, and how long. */
import { beforeEach, expect, it } from 'vitest';
import { setEngine } from '../autograd/currentEngine.ts';
import { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { DataLoader } from './dataLoader.ts';

let engine: Engine;
beforeEach(() => {
  engine = new Engine(new ReferenceBackend());
  setEngine(engine);
});

async function walk<T>(loader: AsyncIterable<T>, read: (batch: T) => Promise<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const batch of loader) found.push(await read(batch));
  return found;
}
const numbers = async (x: Tensor) => ({ shape: x.shape, dtype: x.dtype, data: [...(await x.data())] });

it('stacks numbers, arrays, records and tuples, and frees a batch when the next is asked for', async () => {
  const samples = [0, 1, 2].map((n) => ({
    image: [[n, n + 0.5]],
    label: n,
    of: [Float32Array.of(n), BigInt(n)] as const,
  }));
  const loader = new DataLoader(samples, { batchSize: 2, dtypes: { label: 'i32' } });
  expect(loader.length).toBe(2);
  const seen: Tensor[] = [];
  const found = await walk(loader, async ({ image, label, of: [x, id] }) => {
    seen.push(image);
    expect(engine.backend.statistics().liveBuffers).toBe(4);
    return Promise.all([image, label, x, id].map(numbers));
  });
  expect(found[0]).toEqual([
    { shape: [2, 1, 2], dtype: 'f32', data: [0, 0.5, 1, 1.5] },
    { shape: [2], dtype: 'i32', data: [0, 1] },
    { shape: [2, 1], dtype: 'f32', data: [0, 1] },
    { shape: [2], dtype: 'i32', data: [0, 1] },
  ]);
  expect(found[1]).toMatchObject([{ shape: [1, 1, 2], data: [2, 2.5] }, { data: [2] }, {}, {}]);
  expect([seen.every(({ disposed }) => disposed), engine.backend.statistics().liveBuffers]).toEqual([true, 0]);
});

it('shuffles by seed and epoch alone, each sample once', async () => {
  const dataset = Array.from({ length: 10 }, (_, n) => n);
  const make = (seed: number) => new DataLoader(dataset, { batchSize: 3, shuffle: true, seed });
  const loader = make(7);
  const epochs = [await walk(loader, (x) => x.data()), await walk(loader, (x) => x.data())];
  expect(epochs.map((epoch) => (epoch as ArrayLike<number>[]).flatMap((x) => [...Array.from(x)]).sort())).toEqual([
    dataset,
    dataset,
  ]);
  expect(loader.batches(0)).not.toEqual(loader.batches(1));
  expect(loader.batches(0)).not.toEqual(make(8).batches(0));
  const resumed = make(7);
  resumed.epoch = 1;
  expect(await walk(resumed, (x) => x.data())).toEqual(epochs[1]);
  expect(new DataLoader(dataset, { batchSize: 3, dropLast: true }).batches().map((each) => each.length)).toEqual([
    3, 3, 3,
  ]);
});

it('fetches so many batches ahead and no more; a failure comes in its turn; a walk that is left frees its batch', async () => {
  const asked: number[] = [];
  const dataset = {
    length: 6,
    async get(index: number): Promise<number> {
      asked.push(index);
      if (index === 3) throw new Error('sample 3 is bad');
      return index;
    },
  };
  const loader = new DataLoader(dataset, { prefetch: 2 });
  for await (const x of loader) {
    expect([await x.data(), asked]).toEqual([Float32Array.of(0), [0, 1, 2]]);
    break;
  }
  expect(engine.backend.statistics().liveBuffers).toBe(0);
  let batches = 0;
  await expect(
    walk(loader, async () => {
      batches++;
    }),
  ).rejects.toThrow('sample 3 is bad');
  expect(batches).toBe(3);
});

it('names the part whose samples are not alike, and takes a collate of its own', async () => {
  const samples = [{ box: [1, 2] }, { box: [1, 2, 3] }];
  const read = async () => null;
  await expect(walk(new DataLoader(samples, { batchSize: 2 }), read)).rejects.toThrow(
    /box of one batch is f32\[2\] and f32\[3\]/,
  );
  await expect(walk(new DataLoader([{ box: 'a' }]), read)).rejects.toThrow(/box hold 'a'/);
  const odd: object[] = [{ box: 1 }, { box: 2, label: 3 }];
  await expect(walk(new DataLoader(odd, { batchSize: 2 }), read)).rejects.toThrow(/parts box and box, label/);
  const later = [
    { a: [1, 2], b: [1] },
    { a: [1, 2], b: [1, 2] },
  ];
  await expect(walk(new DataLoader(later, { batchSize: 2 }), read)).rejects.toThrow(/b of one batch/);
  expect(engine.backend.statistics().liveBuffers).toBe(0);
  await expect(walk(new DataLoader([engine.tensor([1])] as object[]), read)).rejects.toThrow(/on the host/);
  await expect(walk(new DataLoader([{ label: 1 }], { dtypes: { lable: 'i32' } }), read)).rejects.toThrow(/name lable/);
  expect(() => new DataLoader({ length: 3 } as never)).toThrow(/has length and get/);
  expect(() => new DataLoader([1], { batch_size: 2 } as never)).toThrow(/no option batch_size/);
  const pairs: [number[][], number][] = [
    [
      [
        [1, 2],
        [3, 4],
      ],
      1,
    ],
  ];
  expect(await walk(new DataLoader(pairs), async ([image, label]) => [image.shape, label.shape])).toEqual([
    [[1, 2, 2], [1]],
  ]);
  const own = new DataLoader(samples, { batchSize: 2, collate: (both) => both.map(({ box }) => box.length) });
  expect(await walk(own, async (lengths) => lengths)).toEqual([[2, 3]]);
});
