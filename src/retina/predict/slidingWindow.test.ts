/** Tier: no adapter. Tiled prediction: tile places, blending, flips, mapping to the frame. */
import { describe, expect, it } from 'vitest';
import { IMAGENET_NORMALIZATION } from '../data/loading/augment.ts';
import { imageTensor } from '../data/loading/batch.ts';
import type { RgbImage } from '../domain.ts';
import { mapMaskToFrame } from '../data/pictures/geometry.ts';
import { KeyedRandom } from '../random.ts';
import type { Prediction } from './prediction.ts';
import { predictTiled, ROUTER_FUSION, sideForTiles, type TiledOptions, type TiledSummary } from './slidingWindow.ts';
import { predictFlips, type TilePredictor } from './flips.ts';
import { FrameMapper, type FrameRows, MaskPlanes, ScorePlanes } from './frameMapper.ts';
import { gaussianWindow, mirrored, tileStarts } from './tileWindow.ts';

function noisePicture(width: number, height: number, seed = 1): RgbImage {
  const random = new KeyedRandom(seed, 90);
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => random.integer(256)) };
}

const squash = (value: number): number => 1 / (1 + Math.exp(-value));

/** Each pixel's masks depend on that pixel alone, so a tile gives the same answer for it as the whole picture. */
const pixelwise: TilePredictor = async (images, count) => {
  const pixels = images.length / count / 3;
  return Array.from({ length: count }, (_, row): Prediction => {
    const masks = new Float32Array(2 * pixels);
    for (let pixel = 0; pixel < pixels; pixel++) {
      const at = 3 * (row * pixels + pixel);
      masks[2 * pixel] = squash(images[at]);
      masks[2 * pixel + 1] = squash(images[at + 1] - images[at + 2]);
    }
    return {
      gate: Float32Array.of(0.75, 0.25),
      routed: { segmentation: true, classification: true },
      masks,
      retinopathy: null,
      edema: null,
    };
  });
};

async function tiledMap(
  run: TilePredictor,
  picture: RgbImage,
  options: Partial<TiledOptions> = {},
): Promise<{ map: Float32Array; summary: TiledSummary }> {
  const map = new Float32Array(picture.width * picture.height * 2);
  let next = 0;
  const summary = await predictTiled(run, picture, { tile: 16, classes: 2, ...options }, (top, count, values) => {
    expect(top).toBe(next);
    next += count;
    map.set(values, top * picture.width * 2);
  });
  expect(next).toBe(picture.height);
  return { map, summary };
}

describe('tile starts', () => {
  it('cover every pixel, shifting the last tile inwards or keeping the step', () => {
    expect(tileStarts(40, 16, 0.25, 'shift')).toEqual([0, 12, 24]);
    expect(tileStarts(45, 16, 0.25, 'shift')).toEqual([0, 12, 24, 29]);
    expect(tileStarts(45, 16, 0.25, 'reflect')).toEqual([0, 12, 24, 36]);
    expect(tileStarts(16, 16, 0.5, 'shift')).toEqual([0]);
    expect(tileStarts(9, 16, 0.5, 'shift')).toEqual([0]);
    // Half of 5 is not a whole step: rounded down, so that neighbors overlap by at least the share requested.
    expect(tileStarts(11, 5, 0.5, 'shift')).toEqual([0, 2, 4, 6]);
    expect(() => tileStarts(40, 16, 1, 'shift')).toThrow(/overlap is in \[0, 1\)/);
  });

  it('mirrors as NumPy does', () => {
    expect([4, 5, 6, 7, 8, 9].map((at) => mirrored(at, 5))).toEqual([4, 3, 2, 1, 0, 1]);
    expect(mirrored(7, 1)).toBe(0);
  });
});

describe('gaussian window', () => {
  it('is symmetric, highest in the middle, and never below its floor', () => {
    const window = gaussianWindow(8, 0.125);
    expect(window[3 * 8 + 3]).toBeCloseTo(Math.exp(-(2 * 0.25) / 2), 6);
    expect(window[0]).toBeCloseTo(1e-3, 9);
    for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) expect(window[y * 8 + x]).toBe(window[(7 - x) * 8 + 7 - y]);
  });
});

describe('tiled prediction', () => {
  it('equals the whole picture’s for a network that looks at single pixels, whatever the tiling', async () => {
    const picture = noisePicture(45, 45);
    const sample = {
      size: 45,
      image: picture.data,
      maskBits: null,
      box: { left: 0, top: 0, size: 45, width: 45, height: 45 },
    };
    const [{ masks }] = await pixelwise(imageTensor(sample, IMAGENET_NORMALIZATION), 1);
    const variants: Partial<TiledOptions>[] = [
      {},
      { overlap: 0.5, batch: 1 },
      { overlap: 0, edge: 'reflect' },
      { ...ROUTER_FUSION },
      { tile: 32, overlap: 0.7, sigma: 0.3, fusion: 'router' },
    ];
    for (const variant of variants) {
      const { map } = await tiledMap(pixelwise, picture, variant);
      let worst = 0;
      for (let at = 0; at < map.length; at++) worst = Math.max(worst, Math.abs(map[at] - masks![at]));
      // Sums of up to 16 float32 products differ only by their rounding.
      expect(worst).toBeLessThan(1e-6);
    }
  });

  it('blends by the window: two tiles that disagree meet in their weights’ ratio, and equal ones stay what they are', async () => {
    let tile = 0;
    const constant: TilePredictor = async (images, count) => {
      const pixels = images.length / count / 3;
      return Array.from(
        { length: count },
        (): Prediction => ({
          gate: Float32Array.of(tile === 0 ? 0.9 : 0.3, tile === 0 ? 0.1 : 0.7),
          routed: { segmentation: true, classification: true },
          masks: new Float32Array(2 * pixels).map((_, at) => (at % 2 === 0 ? tile : 1)),
          retinopathy: Float32Array.of(tile++, 0.5),
          edema: null,
        }),
      );
    };
    const gaussian = await tiledMap(constant, noisePicture(24, 16), { overlap: 0.5, batch: 1 });
    const window = gaussianWindow(16, 0.125);
    for (let x = 0; x < 24; x++) {
      const [first, second] = [x < 16 ? window[8 * 16 + x] : 0, x >= 8 ? window[8 * 16 + x - 8] : 0];
      expect(gaussian.map[2 * (8 * 24 + x)]).toBeCloseTo(second / (first + second), 6);
      expect(gaussian.map[2 * (8 * 24 + x) + 1]).toBeCloseTo(1, 6);
    }
    expect(gaussian.summary.retinopathy).toBeNull();
    tile = 0;
    const router = await tiledMap(constant, noisePicture(24, 16), { overlap: 0.5, batch: 1, fusion: 'router' });
    for (let x = 0; x < 24; x++) expect(router.map[2 * x]).toBeCloseTo(x < 8 ? 0 : x < 16 ? 0.3 / 1.2 : 1, 6);
    // Grades: tile 0 says 0 with weight 0.1, tile 1 says 1 with weight 0.7.
    expect(router.summary.retinopathy![0]).toBeCloseTo(0.7 / 0.8, 6);
    expect(router.summary.retinopathy![1]).toBeCloseTo(0.5, 6);
    expect([...router.summary.gate].map((value) => Math.round(1e6 * value))).toEqual([600_000, 400_000]);
  });

  it('keeps no more in memory for a picture ten times as high', async () => {
    const low = await tiledMap(pixelwise, noisePicture(40, 60));
    const high = await tiledMap(pixelwise, noisePicture(40, 600));
    expect(high.summary.peak.accumulatorBytes).toBe(low.summary.peak.accumulatorBytes);
    expect(high.summary.peak.accumulatorBytes).toBeLessThan(40 * 600 * 2 * 4);
    expect(high.summary.tiles).toBe(3 * tileStarts(600, 16, 0.25, 'shift').length);
  });

  it('pads pictures smaller than a tile, and says what is wrong with a prediction', async () => {
    const picture = noisePicture(9, 5);
    for (const edge of ['shift', 'reflect'] as const) {
      const { map } = await tiledMap(pixelwise, picture, { edge });
      const { map: whole } = await tiledMap(pixelwise, picture, { tile: 9, edge });
      for (let at = 0; at < map.length; at++) expect(map[at]).toBeCloseTo(whole[at], 6);
    }
    const none: TilePredictor = async (images, count) =>
      (await pixelwise(images, count)).map((one) => ({ ...one, masks: null }));
    await expect(tiledMap(none, picture)).rejects.toThrow(/tile at \(0, 0\): no mask values where 16x16x2/);
  });

  it('gives System A’s scale: 2048 frame pixels per tile of 512', () => {
    expect(sideForTiles(3424, 2048, 512)).toBe(856);
  });
});

describe('flips', () => {
  it('change nothing for a network that flips with the picture, and average one that does not', async () => {
    const images = Float32Array.from({ length: 2 * 4 * 4 * 3 }, (_, at) => Math.sin(at));
    const plain = await pixelwise(images, 2);
    const flipped = await predictFlips(pixelwise)(images, 2);
    for (const row of [0, 1]) {
      for (let at = 0; at < 32; at++) expect(flipped[row].masks![at]).toBeCloseTo(plain[row].masks![at], 6);
      expect(flipped[row].gate[0]).toBeCloseTo(0.75, 6);
    }
    /** Answers with the column and row of each pixel in its input, and grades by the first pixel. */
    const positional: TilePredictor = async (input, count) =>
      (await pixelwise(input, count)).map((one, row) => ({
        ...one,
        masks: Float32Array.from({ length: 32 }, (_, at) => (at % 2 === 0 ? (at >> 1) % 4 : at >> 3) / 3),
        retinopathy: input.slice(row * 48, row * 48 + 1),
      }));
    const [mean] = await predictFlips(positional)(images, 2);
    for (const value of mean.masks!) expect(value).toBeCloseTo(0.5, 6);
    const corners = [0, 3, 12, 15].map((pixel) => images[3 * pixel]);
    expect(mean.retinopathy![0]).toBeCloseTo(corners.reduce((sum, value) => sum + value, 0) / 4, 6);
  });

  it('refuses to average experts that ran for some flips only', async () => {
    let calls = 0;
    const fickle: TilePredictor = async (images, count) => {
      const graded = calls++ === 2;
      return (await pixelwise(images, count)).map((one) => ({ ...one, masks: graded ? null : one.masks }));
    };
    await expect(predictFlips(fickle)(new Float32Array(48), 1)).rejects.toThrow(/some mirror images only/);
  });
});

describe('mapping rows to the frame', () => {
  const boxes = [
    { left: 3, top: -5, size: 40, width: 60, height: 30 },
    { left: -4, top: 2, size: 23, width: 15, height: 40 },
    { left: 0, top: 0, size: 17, width: 17, height: 17 },
  ];

  it('gives bit by bit what mapping the whole map gives, however the rows are pushed', () => {
    const random = new KeyedRandom(2, 91);
    for (const box of boxes) {
      for (const [side, step] of [
        [17, 5],
        [17, 1],
        [64, 30],
        [40, 40],
      ]) {
        const map = Float32Array.from({ length: side * side * 2 }, (_, at) => {
          const [x, y] = [(at >> 1) % side, Math.floor(at / 2 / side)];
          // The first class reaches its threshold in some columns alone, the second in some rows.
          const isLow = at % 2 === 0 ? x < 5 || x > side - 4 : y < side / 2;
          return random.uniform() * (isLow ? 0.01 : 1);
        });
        const found = [0, 1].map(() => new Float32Array(box.width * box.height));
        const row: FrameRows['row'] = (index, y, left, values, count) =>
          found[index].set(values.subarray(0, count), y * box.width + left);
        const mapper = new FrameMapper(box, side, 2, { row });
        const masks = new MaskPlanes(box.width, box.height, [0.9, 0.02]);
        const masked = new FrameMapper(box, side, 2, masks);
        for (let top = 0; top < side; top += step) {
          const count = Math.min(step, side - top);
          const rows = map.slice(top * side * 2, (top + count) * side * 2);
          mapper.push(top, count, rows);
          masked.push(top, count, rows);
        }
        for (const index of [0, 1]) {
          const expected = mapMaskToFrame(
            map.filter((_, at) => at % 2 === index),
            box,
          );
          expect(Buffer.from(found[index].buffer).equals(Buffer.from(expected.buffer))).toBe(true);
          // What cannot reach the threshold is passed over, and must not have reached it.
          const marked = Uint8Array.from(expected, (value) => (value >= masks.least[index] ? 1 : 0));
          expect(Buffer.from(masks.masks[index]).equals(Buffer.from(marked))).toBe(true);
        }
        expect(() => mapper.push(3, 0, new Float32Array(0))).toThrow(/do not follow/);
      }
    }
  });

  it('keeps thresholds and score bins in 16 bits', () => {
    const random = new KeyedRandom(3, 92);
    const width = 2000;
    const values = Float32Array.from({ length: 2 * width }, (_, at) =>
      at < 10 ? [0, 1, 0.5, 0.4999999, 0.1][at >> 1] : random.uniform(),
    );
    const scores = new ScorePlanes(width, 1, 2);
    const masks = new MaskPlanes(width, 1, [0.5, 0.1]);
    for (const index of [0, 1]) {
      const plane = values.filter((_, at) => at % 2 === index);
      scores.row(index, 0, 0, plane, width);
      masks.row(index, 0, 0, plane, width);
    }
    expect(scores.bytes).toBe(2 * 2 * width);
    const plane = new Float32Array(width);
    for (const [index, threshold] of [0.5, 0.1].entries()) {
      scores.read(index, plane);
      for (let x = 0; x < width; x++) {
        const value = values[2 * x + index];
        expect(plane[x] >= threshold).toBe(value >= threshold);
        expect(Math.floor(plane[x] * 10_000)).toBe(Math.floor(value * 10_000));
        expect(masks.masks[index][x]).toBe(value >= threshold ? 1 : 0);
      }
    }
  });
});
