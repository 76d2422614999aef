/** Tier: no adapter. Masks scored in the original frame, on the float64 references. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { imageTensor } from '../data/loading/batch.ts';
import { mapMaskToFrame } from '../data/pictures/geometry.ts';
import { readIdrid } from '../data/sets/idrid.ts';
import { decodeMask } from '../data/pictures/mask.ts';
import { preprocessItem } from '../data/pictures/preprocess.ts';
import { TINY_HEIGHT, TINY_WIDTH, writeTinyIdrid } from '../data/testsupport.ts';
import type { DatasetItem, Structure } from '../domain.ts';
import { SegmentationAccumulator } from '../metrics/segmentation.ts';
import { SampleSource } from '../data/loading/loader.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { buildModel } from '../network/build.ts';
import { validateConfig } from '../config/resolve.ts';
import { evaluateFrames } from './frames.ts';
import type { TilePredictor } from '../predict/flips.ts';
import { Predictor } from '../predict/predictor.ts';
import { predictTiled } from '../predict/slidingWindow.ts';

const lesions = ['EX', 'OD', 'MA'] as const satisfies readonly Structure[];
const config = validateConfig(
  {
    model: {
      trunk: { depths: [1, 1, 1, 1], dims: [8, 8, 8, 8] },
      decoderChannels: [8, 8, 8, 8],
      gateHidden: 8,
      retinopathyHidden: 8,
      edemaHidden: 8,
      layerScaleInit: 1,
      maskPrior: 0.5,
      structures: [...lesions],
    },
    data: { imageSize: 32, tiles: { mode: 'on', overlap: 0.5 } },
  },
  'test',
);

let root = '';
let items: DatasetItem[];
let engine: Engine;
let predictor: Predictor;
let previous: Engine | null;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-frames-'));
  await writeTinyIdrid(root);
  items = (await readIdrid(root)).filter(({ id }) => id.startsWith('A/train/') && !id.endsWith('3'));
  engine = new Engine(new ReferenceBackend(), { seed: 0 });
  previous = setEngine(engine);
  const source = new SampleSource({ ...loaderSettings(config), memoryBytes: 0 });
  predictor = new Predictor({ engine, model: buildModel(engine, config), config, source, ownsModel: true });
});
afterAll(async () => {
  predictor.dispose();
  setEngine(previous);
  await rm(root, { recursive: true, force: true });
});

/** Scores probability maps [side, side, lesions] of the crops the plain way: all at once, mapped by `mapMaskToFrame`. */
async function scoreDirectly(maps: readonly { map: Float32Array; side: number; item: DatasetItem }[]) {
  const scores = new SegmentationAccumulator(lesions);
  const { preprocess } = loaderSettings(config);
  for (const { map, side, item } of maps) {
    const { box } = await preprocessItem(item, { ...preprocess, size: side });
    for (const [index, structure] of lesions.entries()) {
      const probability = mapMaskToFrame(
        map.filter((_, at) => at % lesions.length === index),
        box,
      );
      const path = item.maskPaths![structure];
      const truth = path === null ? new Uint8Array(probability.length) : (await decodeMask(path)).data;
      scores.add(item.id, structure, truth, probability);
    }
  }
  return scores.result();
}

const { preprocess, normalization } = loaderSettings(config);

describe('scores in the original frame', () => {
  it('of whole pictures equal direct scoring, and count the frame’s pixels', async () => {
    const found = await evaluateFrames(predictor, items, { tiling: null });
    const maps = [];
    for (const item of items) {
      const sample = await preprocessItem(item, preprocess);
      const [{ masks }] = await predictor.predict(imageTensor(sample, normalization), 1, {
        choice: 'segmentation',
      });
      maps.push({ map: masks!, side: 32, item });
    }
    expect(found.segmentation).toEqual(await scoreDirectly(maps));
    expect([found.images, found.mode, found.tiles, found.space]).toEqual([2, 'whole', 0, 'frame']);
    const { counts } = found.segmentation.EX;
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(2 * TINY_WIDTH * TINY_HEIGHT);
    // Native truth: 8x6 pixels per image.
    expect(counts.truePositive + counts.falseNegative).toBe(2 * 48);
  });

  it('of tiles equal direct scoring of the blended map at native resolution', async () => {
    const found = await evaluateFrames(predictor, items);
    const maps = [];
    let tiles = 0;
    for (const item of items) {
      const side = (await preprocessItem(item, preprocess)).box.size;
      const sample = await preprocessItem(item, { ...preprocess, size: side });
      const map = new Float32Array(side * side * lesions.length);
      const run: TilePredictor = (images, count) => predictor.predict(images, count, { choice: 'segmentation' });
      const picture = { width: side, height: side, data: sample.image };
      const options = { tile: 32, classes: lesions.length, overlap: 0.5, normalization };
      const summary = await predictTiled(run, picture, options, (top, _, values) => {
        map.set(values, top * side * lesions.length);
      });
      tiles += summary.tiles;
      maps.push({ map, side, item });
    }
    expect(found.tiles).toBe(tiles);
    expect(tiles).toBeGreaterThan(2 * 9 - 1);
    // Storing a probability in 16 bits changes neither counts nor score bins.
    expect(found.segmentation).toEqual(await scoreDirectly(maps));
    expect(found.peak.accumulatorBytes).toBeGreaterThan(0);
    expect(found.peak.residentBytes).toBeGreaterThan(found.peak.scoreBytes);
  });

  it('flips, scores the crop’s own masks, and shows every plane', async () => {
    const planes: string[] = [];
    const found = await evaluateFrames(predictor, items.slice(0, 1), {
      space: 'crop',
      flips: true,
      tiling: { source: 64, fusion: 'router', overlap: 0, edge: 'reflect' },
      onPlane: ({ item, structure, truth, probability, width, height }) => {
        expect([truth.length, probability.length]).toEqual([width * height, width * height]);
        planes.push(`${item.id} ${structure} ${truth.reduce((sum, value) => sum + value, 0) > 0}`);
      },
      onTiled: (_, { retinopathy, gate }) => {
        expect(retinopathy!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
        expect(gate[0] + gate[1]).toBeCloseTo(1, 5);
      },
    });
    expect(planes).toEqual(lesions.map((structure) => `${items[0].id} ${structure} true`));
    expect([found.tiles, found.space, found.flips]).toEqual([4, 'crop', true]);
  });

  it('asks for images with masks', async () => {
    await expect(evaluateFrames(predictor, [])).rejects.toThrow(/No image with masks/);
  });
});
