/** Tier: no adapter. The grid of samples and the metrics plot. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { GalleryImage } from './html/data.ts';
import { HOSTILE_NAME, syntheticPicture } from './html/testsupport.ts';
import { renderMetricsPlot } from './metricsPlot.ts';
import { renderSampleGrid } from './sampleGrid.ts';
import { PALETTE } from './svg.ts';

async function count(png: Buffer, color: string): Promise<number> {
  const { data } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const wanted = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  let found = 0;
  for (let at = 0; at < data.length; at += 3)
    if (wanted.every((value, channel) => data[at + channel] === value)) found++;
  return found;
}

describe('renderSampleGrid', () => {
  const flat = (extra: Partial<GalleryImage>): GalleryImage => ({
    id: 'IDRiD_01',
    image: { data: new Uint8Array(20 * 10 * 3).fill(90), width: 20, height: 10 },
    ...extra,
  });
  const masks = { width: 4, height: 2, masks: { OD: Uint8Array.of(1, 1, 0, 0, 1, 1, 0, 0) } };

  it('lays the samples out in columns', async () => {
    const samples = [0, 1, 2].map((index) => syntheticPicture(index, 64));
    const wide = await sharp(await renderSampleGrid(samples, { side: 60 })).metadata();
    const tall = await sharp(await renderSampleGrid(samples, { side: 60, columns: 1 })).metadata();
    expect([wide.width, tall.width]).toEqual([2 * 190 + 3 * 14, 190 + 2 * 14]);
    expect([wide.height, tall.height]).toEqual([56 + 2 * 130 + 34, 56 + 3 * 130 + 34]);
  });

  it('frames a misrouted sample in red, and no other', async () => {
    const gate = (routed: string) => ({ truth: 'segmentation', routed, probability: 0.7 });
    const right = await renderSampleGrid([flat({ gate: gate('segmentation') })], { side: 60 });
    const wrong = await renderSampleGrid([flat({ gate: gate('classification') })], { side: 60 });
    expect(await count(right, '#b3261e')).toBe(0);
    expect(await count(wrong, '#b3261e')).toBeGreaterThan(5 * 2 * (190 + 100));
    const undecided = { ...gate('classification'), probability: 0.51 };
    expect(await count(await renderSampleGrid([flat({ gate: undecided })], { side: 60 }), '#b3261e')).toBe(0);
  });

  it('paints masks of another size over half of the picture', async () => {
    const without = await renderSampleGrid([flat({})], { side: 100 });
    const both = await renderSampleGrid([flat({ truthMasks: masks, predictedMasks: masks })], { side: 100 });
    // The photograph is 100 × 50; the right half of each overlay is unchanged apart from the one-pixel outline and the tag.
    const gray = await count(without, '#5a5a5a');
    expect(gray).toBeGreaterThan(3000);
    expect(await count(both, '#5a5a5a')).toBeGreaterThan(gray + 2 * 49 * 32);
    expect(await count(both, '#5a5a5a')).toBeLessThan(gray + 2 * 50 * 50);
  });

  it('takes names that are long or hold markup', async () => {
    const png = await renderSampleGrid([flat({ id: HOSTILE_NAME }), flat({ id: 'short' })], { side: 60 });
    expect((await sharp(png).metadata()).width).toBe(2 * 190 + 3 * 14);
  });

  it('says what does not fit', async () => {
    await expect(renderSampleGrid([])).rejects.toThrow(/at least one sample/);
    const wrong = { ...masks, width: 5 };
    await expect(renderSampleGrid([flat({ truthMasks: wrong })])).rejects.toThrow(
      /IDRiD_01, OD: the mask has 8 pixels/,
    );
  });
});

describe('renderMetricsPlot', () => {
  const rows = Array.from({ length: 10 }, (_, index) => ({
    epoch: index + 1,
    train: { loss: 1 / (index + 1), accuracy: { DR: 0.5 }, dice: { OD: 0.4 } },
    validation: { loss: 1.3 / (index + 1), accuracy: { DR: 0.3 }, dice: { OD: 0.8, EX: Number.NaN } },
  }));

  it('draws loss, accuracy and Dice in two panels', async () => {
    const png = renderMetricsPlot(rows, { scale: 1 });
    const { width, height } = await sharp(png).metadata();
    expect([width, height]).toEqual([1260, 372]);
    // Accuracy is blue, Dice vermilion, each a level line through the right panel.
    expect(await count(png, PALETTE[1])).toBeGreaterThan(500);
    const without = renderMetricsPlot(
      rows.map(({ epoch, train }) => ({ epoch, train: { loss: train.loss } })),
      { scale: 1 },
    );
    expect(await count(without, PALETTE[1])).toBe(0);
  });

  it('refuses rows out of order', () => {
    expect(() => renderMetricsPlot([{ epoch: 2 }, { epoch: 1 }])).toThrow(/row 1 has epoch 1 after 2/);
  });
});
