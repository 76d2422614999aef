/** Tier: no adapter. Where tiles lie on a large picture, and what training batches hold of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AugmentOptions, DEFAULT_AUGMENT, drawTransform } from './augment.ts';
import type { Batch } from './batch.ts';
import { readIdrid } from '../sets/idrid.ts';
import { loaderOptions, SampleSource, TrainLoader } from './loader.ts';
import type { LoaderOptions } from './settings.ts';
import { DEFAULT_PREPROCESS, type Sample } from '../pictures/sample.ts';
import { KeyedRandom } from '../../random.ts';
import { renderImage, renderMasks } from './render.ts';
import { TaskBalancedSampler } from './sampler.ts';
import { TINY_HEIGHT, writeTinyIdrid } from '../testsupport.ts';
import { cutSample, drawTile, drawTilePlace, structureIndex } from './tiles.ts';
import { type DatasetItem, STRUCTURES } from '../../domain.ts';

const SIDE = 90;
const TILE = 24;

/** A picture whose pixel (x, y) says where it is; one MA pixel, an EX rectangle, nothing else. */
function gridSample(side = SIDE): Sample {
  const image = new Uint8Array(3 * side * side);
  const maskBits = new Uint8Array(side * side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const pixel = y * side + x;
      image.set([x, y, (7 * x + 13 * y) % 256], 3 * pixel);
      if (x === 5 && y === 60) maskBits[pixel] |= 1;
      if (x >= 40 && x < 46 && y >= 20 && y < 23) maskBits[pixel] |= 4;
    }
  return { size: side, image, maskBits, box: { left: 10, top: -15, size: side, width: 120, height: 60 } };
}

describe('lesion index', () => {
  it('numbers every pixel of a structure in reading order and counts them', () => {
    const sample = gridSample();
    const index = structureIndex(sample)!;
    expect(STRUCTURES.map((structure) => index.count(structure))).toEqual([1, 0, 18, 0, 0]);
    expect(index.pixel('MA', 0)).toEqual({ x: 5, y: 60 });
    const found = Array.from({ length: 18 }, (_, position) => index.pixel('EX', position));
    expect(found).toEqual(
      Array.from({ length: 18 }, (_, position) => ({ x: 40 + (position % 6), y: 20 + Math.floor(position / 6) })),
    );
    expect(() => index.pixel('EX', 18)).toThrow(/no number 18/);
    expect(structureIndex(sample)).toBe(index);
    expect(structureIndex({ ...sample, maskBits: null })).toBeNull();
  });
});

describe('tile places', () => {
  it('draws each structure that is there as often, whatever its size, with its pixel in sight', () => {
    const sample = gridSample();
    const counts = { MA: 0, HE: 0, EX: 0, SE: 0, OD: 0 };
    for (let place = 0; place < 400; place++) {
      const tile = drawTilePlace(sample, TILE, new KeyedRandom(3, 7, 0, place), 1, STRUCTURES);
      counts[tile.structure!]++;
      const cut = cutSample(sample, Math.round(tile.x - TILE / 2), Math.round(tile.y - TILE / 2), TILE);
      expect(cut.maskBits!.some((bits) => (bits >> STRUCTURES.indexOf(tile.structure!)) & 1)).toBe(true);
      expect(Math.min(tile.x, tile.y)).toBeGreaterThanOrEqual(TILE / 2);
      expect(Math.max(tile.x, tile.y)).toBeLessThanOrEqual(SIDE - TILE / 2);
    }
    expect(counts.MA + counts.EX).toBe(400);
    expect(Math.abs(counts.MA - 200)).toBeLessThan(40);
    for (let place = 0; place < 20; place++) {
      expect(drawTilePlace(sample, TILE, new KeyedRandom(3, 7, 1, place), 1, ['EX', 'HE']).structure).toBe('EX');
    }
  });

  it('draws the others on the retina within the frame, as often as the fraction leaves', () => {
    const sample = gridSample();
    let structures = 0;
    for (let place = 0; place < 400; place++) {
      const { x, y, structure } = drawTilePlace(sample, 2, new KeyedRandom(4, 7, 0, place), 0.25, STRUCTURES);
      if (structure !== null) {
        structures++;
        continue;
      }
      expect(Math.hypot(x - SIDE / 2, y - SIDE / 2)).toBeLessThanOrEqual(SIDE / 2);
      // The frame begins 15 pixels below the square's upper edge and is 60 high.
      expect(y).toBeGreaterThanOrEqual(15);
      expect(y).toBeLessThanOrEqual(75);
    }
    expect(Math.abs(structures - 100)).toBeLessThan(35);
    const empty = { ...sample, maskBits: new Uint8Array(SIDE * SIDE) };
    expect(drawTilePlace(empty, TILE, new KeyedRandom(4, 7, 0, 0), 1, STRUCTURES).structure).toBeNull();
  });
});

describe('tiles', () => {
  const options = { side: null, lesionFraction: 1, structures: ['EX'] } as const;

  it('shows unchanged pixels without augmentation, and black beyond the picture', () => {
    const sample = gridSample();
    const { sample: cut, transform } = drawTile(sample, TILE, null, new KeyedRandom(1, 7, 0, 0), options);
    expect(transform.matrix).toEqual([1, 0, 0, 1]);
    const [left, top] = [cut.image[0], cut.image[1]];
    for (let pixel = 0; pixel < TILE * TILE; pixel++) {
      const [x, y] = [left + (pixel % TILE), top + Math.floor(pixel / TILE)];
      expect([...cut.image.subarray(3 * pixel, 3 * pixel + 2)]).toEqual([x, y]);
      expect(cut.maskBits![pixel]).toBe(sample.maskBits![y * SIDE + x]);
    }
    expect(cut.box).toEqual({ left: 10 + left, top: -15 + top, size: TILE, width: 120, height: 60 });
    const beyond = cutSample(sample, -4, SIDE - 3, 8);
    expect([...beyond.image.subarray(0, 3 * 4)]).toEqual(new Array(12).fill(0));
    expect([...beyond.image.subarray(3 * 4, 3 * 5)]).toEqual([0, SIDE - 3, (13 * (SIDE - 3)) % 256]);
    expect([...beyond.image.subarray(3 * 8 * 3)]).toEqual(new Array(3 * 8 * 5).fill(0));
    expect(cutSample(sample, SIDE + 1, 0, 4).image.every((value) => value === 0)).toBe(true);
  });

  it('keeps picture and masks in step, and the lesion in sight, under flips, turns and zooms', () => {
    const sample = gridSample();
    const augment: AugmentOptions = {
      ...DEFAULT_AUGMENT,
      scale: [0.5, 2],
      ...{ brightness: 0, contrast: 0, saturation: 0 },
    };
    const identity = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] } as const;
    let compared = 0;
    for (let place = 0; place < 60; place++) {
      const drawn = drawTransform(new KeyedRandom(5, 3, 0, place), augment);
      const tile = drawTile(sample, TILE, drawn, new KeyedRandom(5, 7, 0, place), options);
      const image = new Float32Array(3 * TILE * TILE);
      const masks = new Float32Array(5 * TILE * TILE);
      renderImage(tile.sample, tile.transform, identity, TILE, image, 0);
      renderMasks(tile.sample, tile.transform, TILE, 5, masks, 0);
      expect(masks.some((value, at) => at % 5 === 2 && value === 1)).toBe(true);
      // Red and green tell where in the picture an output pixel was read: the mask there must be the mask shown.
      for (let pixel = 0; pixel < TILE * TILE; pixel++) {
        const [x, y] = [image[3 * pixel], image[3 * pixel + 1]];
        const distance = Math.min(
          ...[39.5, 45.5].map((edge) => Math.abs(x - edge)),
          ...[19.5, 22.5].map((edge) => Math.abs(y - edge)),
        );
        if (distance < 1.1) continue;
        expect(masks[5 * pixel + 2]).toBe(x > 39.5 && x < 45.5 && y > 19.5 && y < 22.5 ? 1 : 0);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(10_000);
  });
});

describe('tiled training batches', () => {
  let root = '';
  let items: DatasetItem[] = [];
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'gmtl-tiles-'));
    await writeTinyIdrid(root);
    items = (await readIdrid(root)).filter((item) => item.split === 'train');
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  function loader(options: Partial<LoaderOptions> = {}): TrainLoader {
    const sampler = new TaskBalancedSampler(items, { seed: 1, segmentationPerBatch: 2, classificationPerBatch: 2 });
    return new TrainLoader(sampler, {
      preprocess: { ...DEFAULT_PREPROCESS, size: 16 },
      cacheFolder: null,
      tiles: { side: null, lesionFraction: 1, structures: STRUCTURES },
      ...options,
    });
  }
  const bytes = (batch: Batch): Buffer =>
    Buffer.concat([Buffer.from(batch.image.buffer), Buffer.from(batch.masks.buffer)]);

  it('cuts native tiles for segmentation rows and leaves classification rows whole, in the usual shapes', async () => {
    const batch = await loader({ augment: null }).nextBatch();
    const whole = await loader({ augment: null, tiles: null }).nextBatch();
    expect(batch.image).toHaveLength(4 * 16 * 16 * 3);
    expect([...batch.task]).toEqual([0, 0, 1, 1]);
    expect([...batch.hasMasks]).toEqual([1, 1, 0, 0]);
    expect([...batch.retinopathy]).toEqual([...whole.retinopathy]);
    expect(batch.boxes[0].size).toBe(16);
    expect(whole.boxes[0].size).toBeGreaterThanOrEqual(TINY_HEIGHT);
    const half = 2 * 16 * 16 * 3;
    expect(Buffer.from(batch.image.slice(half).buffer).equals(Buffer.from(whole.image.slice(half).buffer))).toBe(true);
    // Every tile was drawn for a lesion.
    for (const row of [0, 1])
      expect(batch.masks.subarray(row * 1280, (row + 1) * 1280).some((value) => value > 0)).toBe(true);
  });

  it('draws a row’s tile from its address alone: any cache, any prefetching, and a resumed run', async () => {
    const variants: Partial<LoaderOptions>[] = [
      {},
      { prefetch: 4, decoders: 3, memoryBytes: 0 },
      { cacheFolder: join(root, 'cache') },
      { cacheFolder: join(root, 'cache') },
    ];
    const expected: Buffer[] = [];
    for (const variant of variants) {
      const source = loader(variant);
      for (let step = 0; step < 4; step++) {
        const batch = bytes(await source.nextBatch());
        if (expected[step]) expect(batch.equals(expected[step])).toBe(true);
        else expected.push(batch);
      }
    }
    const resumed = loader();
    resumed.restore({ step: 2 });
    expect(bytes(await resumed.nextBatch()).equals(expected[2])).toBe(true);
    expect(bytes(await loader({ seed: 9 }).nextBatch()).equals(expected[0])).toBe(false);
  });

  it('knows neither the grade of a tile nor the masks of a whole picture', async () => {
    const labeled = items.map((item) => ({
      ...item,
      retinopathy: 2,
      edema: 1,
      maskPaths: item.maskPaths ?? items[0].maskPaths,
    }));
    const sampler = new TaskBalancedSampler(labeled, { seed: 1, segmentationPerBatch: 1, classificationPerBatch: 1 });
    const options = { preprocess: { ...DEFAULT_PREPROCESS, size: 16 }, cacheFolder: null };
    const tiled = await new TrainLoader(sampler, {
      ...options,
      tiles: { side: 32, lesionFraction: 1, structures: STRUCTURES },
    }).nextBatch();
    expect([[...tiled.retinopathy], [...tiled.edema], [...tiled.hasMasks]]).toEqual([
      [-1, 2],
      [-1, 1],
      [1, 0],
    ]);
    expect(tiled.masks.subarray(16 * 16 * 5).every((value) => value === 0)).toBe(true);
  });

  it('prepares the large picture at the side asked for, and refuses one smaller than a tile', async () => {
    const source = new SampleSource({ preprocess: { ...DEFAULT_PREPROCESS, size: 16 }, cacheFolder: null });
    const native = await source.tileSample(items[0], null);
    expect(native!.size).toBe(native!.box.size);
    expect((await source.tileSample(items[0], 40))!.size).toBe(40);
    expect(() =>
      loaderOptions({
        preprocess: { ...DEFAULT_PREPROCESS, size: 64 },
        tiles: { side: 32, lesionFraction: 1, structures: STRUCTURES },
      }),
    ).toThrow(/cannot be cut from a picture of 32/);
  });
});
