/** Tier: no adapter. What browsers prepare pictures with, held against sharp and OpenCV, pixel by pixel. */
import { describe, expect, it } from 'vitest';
import { drawFundus } from '../synth/fundus.ts';
import type { RgbImage } from '../../domain.ts';
import { DEFAULT_CLAHE } from './claheOptions.ts';
import { labToRgb, rgbToLab } from './lab.ts';
import { preparePicture } from './plainTools.ts';
import { preprocessImage } from './preprocess.ts';
import { DEFAULT_PREPROCESS, type PreprocessOptions } from './sample.ts';

const fundus = drawFundus('plain tools', 600, { retinopathy: 3, edema: 2, softExudates: true });
const picture: RgbImage = { width: fundus.width, height: fundus.height, data: fundus.rgb };

/** How many bytes of a picture prepared in plain code are how many levels off. */
async function differences(options: Partial<PreprocessOptions>): Promise<Map<number, number>> {
  const full = { ...DEFAULT_PREPROCESS, ...options };
  const wanted = await preprocessImage(picture, 'drawn', full);
  const got = await preparePicture(picture, 'drawn', full);
  expect(got.box).toEqual(wanted.box);
  const counts = new Map<number, number>();
  for (let at = 0; at < wanted.image.length; at++) {
    const levels = Math.abs(got.image[at] - wanted.image[at]);
    counts.set(levels, (counts.get(levels) ?? 0) + 1);
  }
  return counts;
}

describe('a picture prepared in plain code', () => {
  it.each([64, 96, 128, 200, 333, 500])('is sharp’s to the bit where it is shrunk to %i pixels', async (size) => {
    expect([...(await differences({ size })).keys()]).toEqual([0]);
  });

  it.each([640, 700])(
    'is at most two levels off sharp’s in one byte of a hundred where it is enlarged to %i pixels',
    async (size) => {
      // libvips sums up positions, so that a few round to another of its 64 steps.
      const counts = await differences({ size });
      expect(Math.max(...counts.keys())).toBeLessThanOrEqual(2);
      expect(counts.get(0)! / (3 * size * size)).toBeGreaterThan(0.99);
    },
  );

  it.each([64, 128, 333])('has sharp’s blur to the bit in Ben Graham’s normalization at %i pixels', async (size) => {
    expect([...(await differences({ size, benGraham: true })).keys()]).toEqual([0]);
  });

  it.each([64, 96, 333])(
    'has OpenCV’s CLAHE in 98 of 100 bytes at %i pixels, and is 4 levels off at most',
    async (size) => {
      // OpenCV's cube roots are approximations: one color in 10,000 is a level off before equalization, which stretches it.
      const counts = await differences({ size, clahe: DEFAULT_CLAHE });
      expect(Math.max(...counts.keys())).toBeLessThanOrEqual(4);
      expect(counts.get(0)! / (3 * size * size)).toBeGreaterThan(0.98);
    },
  );
});

it('L*a*b* bytes of grays and primaries are those that OpenCV’s documentation and tables give', () => {
  const rgb = Uint8Array.of(0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255);
  const lab = rgbToLab(rgb);
  expect(Array.from(lab)).toEqual([0, 128, 128, 255, 128, 128, 136, 208, 195, 224, 42, 211, 82, 207, 20]);
  expect(Array.from(labToRgb(lab)).slice(0, 6)).toEqual([0, 0, 0, 255, 255, 255]);
});
