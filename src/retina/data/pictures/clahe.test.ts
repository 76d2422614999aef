/** Tier: no adapter. CLAHE against OpenCV's numbers, and Ben Graham's normalization. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { DEFAULT_CLAHE } from './claheOptions.ts';
import { equalizeLightness, normalizeBenGraham } from './enhance.ts';
import { preprocessImage } from './preprocess.ts';
import { DEFAULT_PREPROCESS } from './sample.ts';

interface Goldens {
  readonly side: number;
  readonly picture: string;
  readonly clahe: readonly { readonly clipLimit: number; readonly tiles: number; readonly picture: string }[];
  readonly benGraham: Readonly<Record<'opencv' | 'scipy', string>>;
}

const goldens = JSON.parse(await readFile(new URL('../fixtures/preprocess.json', import.meta.url), 'utf8')) as Goldens;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const picture = bytes(goldens.picture);
const { side } = goldens;

function differences(actual: Uint8Array, expected: Uint8Array) {
  expect(actual).toHaveLength(expected.length);
  const each = Array.from(actual, (value, index) => Math.abs(value - expected[index]));
  return { most: Math.max(...each), mean: each.reduce((sum, value) => sum + value, 0) / each.length };
}

describe('equalizeLightness', () => {
  it.each(goldens.clahe)('is OpenCV: clip limit $clipLimit, $tiles tiles', async (golden) => {
    const before = picture.slice();
    const { most, mean } = differences(await equalizeLightness(picture, side, golden), bytes(golden.picture));
    // Versions of OpenCV round L*a*b* differently by one level here and there.
    expect(most).toBeLessThanOrEqual(1);
    expect(mean).toBeLessThan(0.01);
    expect(picture).toEqual(before);
    expect(differences(picture, bytes(golden.picture)).mean).toBeGreaterThan(1);
  });

  it('refuses settings out of range', async () => {
    for (const options of [
      { clipLimit: 0, tiles: 8 },
      { clipLimit: 2, tiles: 0 },
      { clipLimit: 2, tiles: 2.5 },
      { clipLimit: 2, tiles: 91 },
    ])
      await expect(equalizeLightness(picture, side, options)).rejects.toMatchObject({ code: 'data/clahe-options' });
  });

  it('leaves the process as it was', async () => {
    const before = process.listenerCount('unhandledRejection') + process.listenerCount('uncaughtException');
    await equalizeLightness(picture, side, DEFAULT_CLAHE);
    expect(process.listenerCount('unhandledRejection') + process.listenerCount('uncaughtException')).toBe(before);
  });

  it('takes 512x512 in a fraction of a second', async () => {
    const large = new Uint8Array(3 * 512 * 512).map((_, index) => (index * 7 + (index >> 9)) & 255);
    await equalizeLightness(large, 512, DEFAULT_CLAHE);
    const times: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const started = performance.now();
      await equalizeLightness(large, 512, DEFAULT_CLAHE);
      times.push(performance.now() - started);
    }
    // 8 ms on an idle machine; other work takes the cores for a while.
    expect(Math.min(...times)).toBeLessThan(250);
  });
});

describe('normalizeBenGraham', () => {
  it.each(['opencv', 'scipy'] as const)('is the formula with the blur of %s', async (blur) => {
    const { most, mean } = differences(await normalizeBenGraham(picture, side), bytes(goldens.benGraham[blur]));
    // One level of the 8-bit blur, times four.
    expect(most).toBeLessThanOrEqual(6);
    expect(mean).toBeLessThan(1.5);
  });

  it('keeps 0.9 of the radius and grays the rest', async () => {
    const out = await normalizeBenGraham(new Uint8Array(3 * 100 * 100).fill(60), 100);
    expect(new Set(out)).toEqual(new Set([128]));
    const spots = new Uint8Array(3 * 100 * 100);
    spots.fill(200, 3 * (50 * 100 + 6), 3 * (50 * 100 + 7));
    spots.fill(200, 3 * (50 * 100 + 4), 3 * (50 * 100 + 5));
    const marked = await normalizeBenGraham(spots, 100);
    expect(marked[3 * (50 * 100 + 6)]).toBe(255);
    expect(marked[3 * (50 * 100 + 4)]).toBe(128);
  });

  it('does not see the padding of a picture that the frame cuts', async () => {
    const image = { width: 120, height: 80, data: new Uint8Array(3 * 120 * 80).fill(90) };
    const options = { ...DEFAULT_PREPROCESS, size: 120, crop: 'frame', benGraham: true } as const;
    // One gray picture in black padding: nothing differs from its surroundings.
    expect(new Set((await preprocessImage(image, 'x', options)).image)).toEqual(new Set([128]));
    const padded = (await preprocessImage(image, 'x', { ...options, benGraham: false })).image;
    expect(new Set(padded)).toEqual(new Set([0, 90]));
    expect(new Set(await normalizeBenGraham(padded, 120)).size).toBeGreaterThan(3);
  });
});
