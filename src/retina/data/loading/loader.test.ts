/** Tier: no adapter. Batches for training and evaluation: order, prefetching, caches, bad files. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Batch, imageTensor } from './batch.ts';
import { openDataset } from '../sets/dataset.ts';
import { evaluationBatches, loaderOptions, SampleSource, TrainLoader } from './loader.ts';
import type { LoaderOptions } from './settings.ts';
import { Limiter, mapParallel } from '../../../engine/node/parallel.ts';
import { decodeImage, preprocessImage } from '../pictures/preprocess.ts';
import { DEFAULT_PREPROCESS } from '../pictures/sample.ts';
import { SampleMemory } from './sampleMemory.ts';
import { TaskBalancedSampler } from './sampler.ts';
import { writeTinyIdrid } from '../testsupport.ts';
import { type Dataset, selectItems } from '../../domain.ts';

const SIZE = 16;
let root = '';
let dataset: Dataset;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-loader-'));
  await writeTinyIdrid(join(root, 'set'));
  dataset = await openDataset(join(root, 'set'), { valFraction: 0, cacheFolder: null });
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

function loader(options: Partial<LoaderOptions> = {}, data: Dataset = dataset): TrainLoader {
  const sampler = new TaskBalancedSampler(selectItems(data, 'train'), {
    seed: 1,
    segmentationPerBatch: 2,
    classificationPerBatch: 2,
  });
  return new TrainLoader(sampler, { preprocess: { ...DEFAULT_PREPROCESS, size: SIZE }, cacheFolder: null, ...options });
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

/** A copy of the set with one training image of each part cut in half. */
async function damagedSet(name: string): Promise<Dataset> {
  const folder = join(root, name);
  await writeTinyIdrid(folder);
  const damaged = await openDataset(folder, { valFraction: 0, cacheFolder: null });
  for (const id of ['A/train/IDRiD_02', 'B/train/IDRiD_003']) {
    const path = damaged.items.find((item) => item.id === id)!.imagePath;
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length >> 1));
  }
  return damaged;
}

describe('TrainLoader', () => {
  it('fills the batch tensors, segmentation rows first', async () => {
    const batch = await loader().nextBatch();
    expect(batch.image).toHaveLength(4 * SIZE * SIZE * 3);
    expect(batch.masks).toHaveLength(4 * SIZE * SIZE * 5);
    expect([...batch.task]).toEqual([0, 0, 1, 1]);
    expect([...batch.hasMasks]).toEqual([1, 1, 0, 0]);
    expect([...batch.retinopathy.subarray(0, 2), ...batch.edema.subarray(0, 2)]).toEqual([-1, -1, -1, -1]);
    expect([...batch.retinopathy.subarray(2)]).toEqual(batch.items.slice(2).map((item) => item.retinopathy));
    expect([...batch.edema.subarray(2)]).toEqual(batch.items.slice(2).map((item) => item.edema));
    const perRow = SIZE * SIZE * 5;
    const sums = [0, 1, 2, 3].map((row) =>
      batch.masks.subarray(row * perRow, (row + 1) * perRow).reduce((a, b) => a + b, 0),
    );
    expect(sums[0]).toBeGreaterThan(0);
    expect(sums.slice(2)).toEqual([0, 0]);
    expect(batch.masks.every((value) => value === 0 || value === 1)).toBe(true);
    expect(batch.count).toBe(4);
    expect(batch.boxes[0]).toMatchObject({ width: 96, height: 64 });
  });

  it('gives the same batches whatever is prefetched, cached or decoded at once', async () => {
    const variants: Partial<LoaderOptions>[] = [
      { prefetch: 1, decoders: 1 },
      { prefetch: 5, decoders: 8 },
      { memoryBytes: 0 },
      { cacheFolder: join(root, 'cache') },
      { cacheFolder: join(root, 'cache') },
    ];
    let first: Batch[] | null = null;
    for (const variant of variants) {
      const source = loader(variant);
      const batches = [];
      for (let step = 0; step < 6; step++) batches.push(await source.nextBatch());
      first ??= batches;
      for (const [step, batch] of batches.entries()) {
        expect(Buffer.from(batch.image.buffer).equals(Buffer.from(first[step].image.buffer))).toBe(true);
        expect(Buffer.from(batch.masks.buffer).equals(Buffer.from(first[step].masks.buffer))).toBe(true);
      }
    }
  });

  it('resumes at the batch after the last one handed out, not after the last one prepared', async () => {
    const whole = loader({ prefetch: 4 });
    await whole.nextBatch();
    await whole.nextBatch();
    const state = whole.state();
    expect(state).toEqual({ step: 2 });
    const resumed = loader({ prefetch: 2 });
    resumed.restore(state);
    const [expected, found] = [await whole.nextBatch(), await resumed.nextBatch()];
    expect(found.items).toEqual(expected.items);
    expect([...found.image]).toEqual([...expected.image]);
  });

  it("takes zoomed pixels from a larger store, in the network's size", async () => {
    const batch = await loader({ storeSize: 32 }).nextBatch();
    expect(batch.image).toHaveLength(4 * SIZE * SIZE * 3);
    expect(() => loader({ storeSize: 8 })).toThrow(/storeSize 8 is below/);
    expect(() => loaderOptions({ prefetch: 0 })).toThrow(/prefetch is 0/);
  });

  it('measures how long it kept its caller waiting', async () => {
    const source = loader();
    for (let step = 0; step < 3; step++) await source.nextBatch();
    await new Promise((resume) => setTimeout(resume, 50));
    await source.nextBatch();
    const { waitedMs, totalMs, batches } = source.timing;
    expect(batches).toBe(4);
    expect(waitedMs).toBeGreaterThan(0);
    expect(totalMs - waitedMs).toBeGreaterThan(40);
  });

  it('names a truncated image in the error', async () => {
    const source = loader({}, await damagedSet('damaged1'));
    const run = async () => {
      for (let step = 0; step < 4; step++) await source.nextBatch();
    };
    await expect(run()).rejects.toMatchObject({
      code: 'data/image-unreadable',
      message: expect.stringMatching(/IDRiD_00?[23]\.jpg.*truncated/),
    });
  });

  it("skips, counts and reports bad images on request, and keeps the batch's shape", async () => {
    const source = loader({ skipBad: true }, await damagedSet('damaged2'));
    for (let step = 0; step < 8; step++) {
      const batch = await source.nextBatch();
      expect([...batch.task]).toEqual([0, 0, 1, 1]);
      for (const item of batch.items) expect(['A/train/IDRiD_02', 'B/train/IDRiD_003']).not.toContain(item.id);
    }
    const skipped = [...source.source.skipped.values()];
    expect(skipped.map((entry) => entry.item.id).sort()).toEqual(['A/train/IDRiD_02', 'B/train/IDRiD_003']);
    expect(skipped[0].reason).toMatch(/Cannot decode the image .*\.jpg/);
    expect(skipped[0].times).toBeGreaterThan(1);
  });

  it('gives up when every image of a task is bad', async () => {
    const damaged = await damagedSet('damaged3');
    for (const item of selectItems(damaged, 'train', 'classification')) await writeFile(item.imagePath, 'no image');
    await expect(loader({ skipBad: true }, damaged).nextBatch()).rejects.toMatchObject({ code: 'data/all-bad' });
  });
});

describe('evaluationBatches', () => {
  it('gives every item once in fixed order, fills the last batch up and does not augment', async () => {
    const source = new SampleSource({ preprocess: { ...DEFAULT_PREPROCESS, size: SIZE }, cacheFolder: null });
    const items = selectItems(dataset, 'train');
    const batches = await collect(evaluationBatches(items, 3, source));
    expect(batches.map((batch) => batch.count)).toEqual([3, 3, 1]);
    expect(batches.map((batch) => batch.items.length)).toEqual([3, 3, 3]);
    expect(batches.flatMap((batch) => batch.items.slice(0, batch.count))).toEqual(items);
    const again = await collect(evaluationBatches(items, 3, source));
    expect(again.map((batch) => [...batch.image])).toEqual(batches.map((batch) => [...batch.image]));
    expect(await collect(evaluationBatches([], 3, source))).toEqual([]);
    // A picture outside a data set is prepared in the same way.
    const path = items[0].imagePath;
    const sample = await preprocessImage(await decodeImage(path), path, source.options.preprocess);
    const alone = imageTensor(sample, source.options.normalization);
    expect([...alone]).toEqual([...batches[0].image.subarray(0, alone.length)]);
  });

  it('leaves bad images out on request, and names them otherwise', async () => {
    const items = selectItems(await damagedSet('damaged4'), 'train', 'segmentation');
    const preprocess = { ...DEFAULT_PREPROCESS, size: SIZE };
    const lenient = new SampleSource({ preprocess, cacheFolder: null, skipBad: true });
    const batches = await collect(evaluationBatches(items, 2, lenient));
    expect(batches.flatMap((batch) => batch.items.slice(0, batch.count)).map((item) => item.id)).toEqual([
      'A/train/IDRiD_01',
      'A/train/IDRiD_03',
    ]);
    expect([...lenient.skipped.keys()]).toEqual(['A/train/IDRiD_02']);
    const strict = new SampleSource({ preprocess, cacheFolder: null });
    await expect(collect(evaluationBatches(items, 2, strict))).rejects.toMatchObject({
      message: expect.stringContaining('IDRiD_02.jpg'),
    });
  });
});

describe('SampleMemory', () => {
  const sample = (bytes: number) => ({
    size: 1,
    image: new Uint8Array(bytes),
    maskBits: null,
    box: { left: 0, top: 0, size: 1, width: 1, height: 1 },
  });

  it('stays below its bound and drops what was used longest ago', async () => {
    const memory = new SampleMemory(250);
    let made = 0;
    const get = (key: string, bytes = 100) =>
      memory.get(key, async () => {
        made++;
        return sample(bytes);
      });
    await get('a');
    await get('b');
    await get('a');
    await get('c');
    expect([memory.bytes, made]).toEqual([200, 3]);
    await get('a');
    expect(made).toBe(3);
    await get('b');
    expect(made).toBe(4);
    await get('huge', 300);
    expect(memory.bytes).toBeLessThanOrEqual(250);
  });

  it('makes a sample once for callers at the same time, and again after a failure', async () => {
    const memory = new SampleMemory(1000);
    let made = 0;
    const make = async () => {
      made++;
      if (made === 1) throw new Error('first');
      return sample(10);
    };
    const both = await Promise.allSettled([memory.get('a', make), memory.get('a', make)]);
    expect(both.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    await Promise.all([memory.get('a', make), memory.get('a', make)]);
    expect(made).toBe(2);
  });
});

describe('Limiter', () => {
  it('never runs more jobs than allowed, in order, and survives failures', async () => {
    const limiter = new Limiter(2);
    let running = 0;
    let most = 0;
    const started: number[] = [];
    const jobs = Array.from({ length: 7 }, (_, index) =>
      limiter.run(async () => {
        started.push(index);
        most = Math.max(most, ++running);
        await new Promise((resume) => setImmediate(resume));
        running--;
        if (index === 2) throw new Error('two');
        return index;
      }),
    );
    const results = await Promise.allSettled(jobs);
    expect(most).toBe(2);
    expect(started).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(results.filter((result) => result.status === 'rejected')).toHaveLength(1);
    expect(await mapParallel([3, 1, 2], async (value) => 2 * value, 2)).toEqual([6, 2, 4]);
  });
});
