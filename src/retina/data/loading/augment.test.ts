/** Tier: no adapter. Augmentation: how pictures and masks are drawn under a transform, and how transforms are drawn. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  type AugmentOptions,
  DEFAULT_AUGMENT,
  drawTransform,
  IDENTITY,
  type Normalization,
  type Transform,
} from './augment.ts';
import type { Sample } from '../pictures/sample.ts';
import { KeyedRandom, STREAMS } from '../../random.ts';
import { renderImage, renderMasks } from './render.ts';

const SIDE = 16;
const PLAIN: Normalization = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };
const BOX = { left: 0, top: 0, size: SIDE, width: SIDE, height: SIDE };

/** A sample whose red channel is 255 exactly where mask bit 0 is set. */
function marked(...ones: (readonly [number, number])[]): Sample {
  const image = new Uint8Array(3 * SIDE * SIDE);
  const maskBits = new Uint8Array(SIDE * SIDE);
  for (const [x, y] of ones) {
    image[3 * (y * SIDE + x)] = 255;
    maskBits[y * SIDE + x] = 1;
  }
  return { size: SIDE, image, maskBits, box: BOX };
}

function render(sample: Sample, transform: Transform, size = SIDE, normalization = PLAIN) {
  const image = new Float32Array(3 * size * size);
  const masks = new Float32Array(5 * size * size);
  renderImage(sample, transform, normalization, size, image, 0);
  renderMasks(sample, transform, size, 5, masks, 0);
  return {
    image,
    masks,
    red: image.filter((_, index) => index % 3 === 0),
    first: masks.filter((_, index) => index % 5 === 0),
  };
}

const geometryOnly: AugmentOptions = {
  ...DEFAULT_AUGMENT,
  scale: [1, 1],
  shift: 0,
  brightness: 0,
  contrast: 0,
  saturation: 0,
  hue: 0,
};

describe('render', () => {
  it('copies under the identity and normalizes', () => {
    const sample = marked([3, 5], [15, 0], [0, 15]);
    const { red, first } = render(sample, IDENTITY);
    expect([...red]).toEqual([...(sample.maskBits ?? [])].map((bit) => 255 * bit));
    expect([...first]).toEqual([...(sample.maskBits ?? [])]);
    const { image } = render(sample, IDENTITY, SIDE, { mean: [0.5, 0.25, 0], std: [0.5, 0.25, 2] });
    expect([...image.subarray(3 * (5 * SIDE + 3), 3 * (5 * SIDE + 3) + 3)]).toEqual([1, -1, 0]);
  });

  it('moves image and mask alike through all eight symmetries', () => {
    const sample = marked([3, 5], [4, 5], [12, 1]);
    const seen = new Set<string>();
    for (let draw = 0; draw < 64; draw++) {
      const transform = drawTransform(new KeyedRandom(1, STREAMS.augment, 0, draw), geometryOnly);
      const { red, first } = render(sample, transform);
      expect([...red].map((value) => Math.round(value / 255))).toEqual([...first]);
      expect(first.reduce((sum, value) => sum + value, 0)).toBe(3);
      seen.add(first.join(''));
    }
    expect(seen.size).toBe(8);
  });

  it('zooms about the center and shows black beyond the picture', () => {
    const all = marked(
      ...Array.from({ length: SIDE * SIDE }, (_, index) => [index % SIDE, Math.floor(index / SIDE)] as const),
    );
    const smaller = render(all, { ...IDENTITY, matrix: [2, 0, 0, 2] });
    const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
    expect(sum(smaller.first)).toBe(64);
    expect(smaller.red[0]).toBe(0);
    expect(smaller.red[8 * SIDE + 8]).toBeCloseTo(255, 3);
    const larger = render(marked([8, 8]), { ...IDENTITY, matrix: [0.5, 0, 0, 0.5] });
    expect(sum(larger.first)).toBe(4);
  });

  it('keeps a single mask pixel when it shrinks, whatever the offset', () => {
    for (let y = 2; y < 14; y++) {
      for (let x = 2; x < 14; x++) {
        const { first } = render(marked([x, y]), { ...IDENTITY, matrix: [1.11, 0, 0, 1.11], offset: [0.01, -0.02] });
        expect(
          first.some((value) => value === 1),
          `pixel ${x},${y}`,
        ).toBe(true);
        expect(render(marked([x, y]), IDENTITY, 8).first.some((value) => value === 1)).toBe(true);
      }
    }
  });

  it('changes colors as torchvision does', () => {
    const image = new Uint8Array(3 * SIDE * SIDE).fill(100);
    image.set([200, 100, 50], 0);
    const sample: Sample = { size: SIDE, image, maskBits: null, box: BOX };
    const first = (change: Partial<Transform>) => [...render(sample, { ...IDENTITY, ...change }).image.subarray(0, 3)];
    expect(first({ brightness: 1.1 }).map((value) => Math.round(value))).toEqual([220, 110, 55]);
    expect(first({ brightness: 2 })[0]).toBeCloseTo(255, 3);
    // Mean gray: 255 pixels of 100 and one of .299·200 + .587·100 + .114·50.
    const gray = (255 * 100 + 124.2) / 256;
    const contrast = [200, 100, 50].map((value) => 0.5 * value + 0.5 * gray);
    for (const [channel, value] of first({ contrast: 0.5 }).entries()) expect(value).toBeCloseTo(contrast[channel], 3);
    for (const value of first({ saturation: 0 })) expect(value).toBeCloseTo(124.2, 3);
  });
});

describe('hue', () => {
  it('turns as torchvision does', async () => {
    const { hue } = JSON.parse(await readFile(new URL('../fixtures/preprocess.json', import.meta.url), 'utf8')) as {
      hue: { colors: number[]; turned: Record<string, number[]> };
    };
    const size = Math.sqrt(hue.colors.length / 3);
    const sample: Sample = { size, image: Uint8Array.from(hue.colors), maskBits: null, box: BOX };
    for (const [turn, expected] of Object.entries(hue.turned)) {
      const { image } = render(sample, { ...IDENTITY, hue: Number(turn) }, size);
      // torchvision computes in float32 0 … 1, in another order: 1e-5 of the range, and its eps of the six sectors.
      for (const [index, value] of expected.entries()) expect(Math.abs(image[index] - 255 * value)).toBeLessThan(3e-3);
    }
  });

  it('is the last draw: earlier seeds keep their values', () => {
    const at = (hue: number) => drawTransform(new KeyedRandom(5, STREAMS.augment, 1, 1), { ...DEFAULT_AUGMENT, hue });
    const { hue, ...rest } = at(0.1);
    expect(at(0)).toMatchObject(rest);
    expect(at(0).hue).toBeCloseTo(0, 12);
    expect(Math.abs(hue)).toBeGreaterThan(0);
    expect(Math.abs(hue)).toBeLessThanOrEqual(0.1);
    // Measured before the hue was drawn.
    expect(rest.saturation).toBeCloseTo(0.959360808134079, 12);
  });
});

describe('drawTransform', () => {
  it('depends on seed, epoch and index only', () => {
    const draw = (seed: number, epoch: number, index: number) =>
      JSON.stringify(drawTransform(new KeyedRandom(seed, STREAMS.augment, epoch, index), DEFAULT_AUGMENT));
    expect(draw(1, 2, 3)).toBe(draw(1, 2, 3));
    expect(new Set([draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4), draw(1, 3, 2)]).size).toBe(5);
  });

  it('leaves the other values when one option is switched off', () => {
    const at = (options: AugmentOptions) => drawTransform(new KeyedRandom(5, STREAMS.augment, 1, 1), options);
    const { brightness, ...rest } = at(DEFAULT_AUGMENT);
    const without = at({ ...DEFAULT_AUGMENT, brightness: 0 });
    expect(without).toMatchObject(rest);
    expect(without.brightness).toBe(1);
    expect(brightness).not.toBe(1);
  });

  it('stays within its ranges', () => {
    for (let index = 0; index < 200; index++) {
      const { matrix, offset, brightness } = drawTransform(
        new KeyedRandom(9, STREAMS.augment, 0, index),
        DEFAULT_AUGMENT,
      );
      const zoom = 1 / Math.hypot(matrix[0], matrix[2]);
      expect(zoom).toBeGreaterThanOrEqual(0.9 - 1e-9);
      expect(zoom).toBeLessThanOrEqual(1.25 + 1e-9);
      expect(Math.max(...offset.map(Math.abs))).toBeLessThanOrEqual(0.1 + 0.04);
      expect(Math.abs(brightness - 1)).toBeLessThanOrEqual(0.1);
    }
  });
});
