/** Tier: no adapter. Training curves, confusion matrices and reliability diagrams as PNG. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { confusionMatrix } from '../metrics/confusion.ts';
import { renderConfusion } from './confusion.ts';
import { type EpochRow, renderCurves } from './curves.ts';
import { renderReliability } from './reliability.ts';
import { escapeXml, PALETTE, svgToPng } from './svg.ts';

type Picture = { width: number; height: number; data: Buffer };

async function decode(png: Buffer): Promise<Picture> {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Pixels that are exactly the color `#rrggbb`. */
function count(picture: Picture, color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  let found = 0;
  for (let at = 0; at < picture.data.length; at += 3) {
    if (picture.data[at] === red && picture.data[at + 1] === green && picture.data[at + 2] === blue) found++;
  }
  return found;
}

const rows: EpochRow[] = Array.from({ length: 15 }, (_, index) => ({
  epoch: index + 1,
  learningRate: 1e-4 / (index + 1),
  train: { loss: 1 / (index + 1), lossParts: { segmentation: 0.5 / (index + 1), gate: 0.1 } },
  validation: {
    loss: 1.2 / (index + 1),
    lossParts: { gate: 0.2 },
    dice: { MA: 0.02 * index, OD: 0.9 },
    accuracy: { DR: 0.6 },
    gateAccuracy: 1,
  },
}));

describe('renderCurves', () => {
  it("has the promised size, a light ground, and a line in each quantity's color", async () => {
    const picture = await decode(renderCurves(rows, { scale: 1 }));
    expect([picture.width, picture.height]).toEqual([1260, 972]);
    expect(count(picture, '#ffffff')).toBeGreaterThan(0.9 * 1260 * 972);
    // Loss, its `gate` part, optic disc, microaneurysms.
    for (const color of [PALETTE[0], PALETTE[1], '#009e73', '#56b4e9'])
      expect(count(picture, color)).toBeGreaterThan(100);
    const without = await decode(
      renderCurves(
        rows.map(({ epoch, train }) => ({ epoch, train: { loss: train?.loss } })),
        { scale: 1 },
      ),
    );
    expect(count(without, '#56b4e9')).toBe(0);
  });

  it('scales the picture and sets its title in the shipped font', async () => {
    const large = await decode(renderCurves(rows.slice(0, 1), { scale: 1.5 }));
    expect([large.width, large.height]).toEqual([1890, 1458]);
    expect(renderCurves(rows, { scale: 1, title: 'A' }).equals(renderCurves(rows, { scale: 1, title: 'B' }))).toBe(
      false,
    );
  });

  it('joins what was measured every third epoch only', async () => {
    const lone = Array.from({ length: 60 }, (_, index) => ({ ...rows[index % rows.length], epoch: index + 1 }));
    const thirds = lone.map(({ epoch, validation }, index) => (index % 3 === 0 ? { epoch, validation } : { epoch }));
    const drawn = await decode(renderCurves(thirds, { scale: 1 }));
    const full = await decode(
      renderCurves(
        lone.map(({ epoch, validation }) => ({ epoch, validation })),
        { scale: 1 },
      ),
    );
    // Optic disc: a level line, as long with a third of the points as with all.
    expect(count(drawn, '#009e73')).toBeGreaterThan(0.8 * count(full, '#009e73'));
  });

  it('breaks the line at a NaN instead of drawing through it', () => {
    const gap = rows.map((row) => ({ epoch: row.epoch, train: { loss: row.epoch === 7 ? Number.NaN : 1 } }));
    const whole = rows.map((row) => ({ epoch: row.epoch, train: { loss: 1 } }));
    expect(renderCurves(gap, { scale: 0.5 }).equals(renderCurves(whole, { scale: 0.5 }))).toBe(false);
  });

  it('refuses rows that are missing or out of order', () => {
    expect(() => renderCurves([])).toThrow(/at least one epoch/);
    expect(() => renderCurves([{ epoch: 2 }, { epoch: 2 }])).toThrow(/row 1 has epoch 2 after 2/);
  });
});

describe('renderConfusion', () => {
  it('shades each cell by its share of the row', async () => {
    const matrix = confusionMatrix([0, 0, 1, 1], [0, 0, 1, 0], 2);
    const picture = await decode(renderConfusion(matrix, ['none', 'some'], { scale: 1, title: 'DR' }));
    const dark = count(picture, '#00527f');
    const half = count(picture, '#a9cfe6');
    // One cell holds all of its row, two hold half of theirs; a cell is 84 × 84 pixels less borders and text.
    expect(dark).toBeGreaterThan(5000);
    expect(dark).toBeLessThan(84 * 84);
    expect(half).toBeGreaterThan(10_000);
    expect(half).toBeLessThan(2 * 84 * 84);
  });

  it('grows with the number of classes and the length of their names', async () => {
    const names = ['0', '1', '2', '3', '4'];
    const matrix = confusionMatrix([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 5);
    const short = await decode(renderConfusion(matrix, names, { scale: 1 }));
    const long = await decode(
      renderConfusion(
        matrix,
        names.map((name) => `${name} proliferative`),
        { scale: 1 },
      ),
    );
    expect(short.height).toBe(long.height);
    expect(long.width).toBeGreaterThan(short.width + 5 * 20);
    expect(() => renderConfusion(matrix, ['a'])).toThrow(/needs 5 names, got 1/);
  });
});

describe('renderReliability', () => {
  const bin = (low: number, high: number, accuracy: number) => ({
    low,
    high,
    accuracy,
    confidence: (low + high) / 2,
    count: 4,
  });

  it('draws bars as high as the accuracy of their bin', async () => {
    const low = await decode(renderReliability([bin(0, 0.5, 0.2), bin(0.5, 1, 0.4)], { scale: 1 }));
    const high = await decode(renderReliability([bin(0, 0.5, 0.4), bin(0.5, 1, 0.8)], { scale: 1 }));
    expect([low.width, low.height]).toEqual([520, 568]);
    // PALETTE[0] at 0.8 opacity on white; the grid lines behind it tint a few rows, the diagonal hides some more.
    const [few, many] = [count(low, '#338ec1'), count(high, '#338ec1')];
    expect(few).toBeGreaterThan(0.25 * 420 * 420);
    expect(few).toBeLessThan(0.3 * 420 * 420);
    expect(many / few).toBeGreaterThan(1.9);
    expect(many / few).toBeLessThan(2.1);
  });

  it('refuses bins without a case', () => {
    expect(() => renderReliability([{ ...bin(0, 1, 0), count: 0 }])).toThrow(/no cases/);
  });
});

describe('svgToPng', () => {
  it('draws text without any font of the system', async () => {
    const page = (text: string): string =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><text y="15" font-size="14">${escapeXml(text)}</text></svg>`;
    expect(count(await decode(svgToPng(page('<gmtl>'))), '#000000')).toBeGreaterThan(20);
    expect(count(await decode(svgToPng(page(''))), '#000000')).toBe(0);
  });

  it('says so when the SVG is broken', () => {
    expect(() => svgToPng('<svg')).toThrow(/Cannot rasterise/);
  });
});
