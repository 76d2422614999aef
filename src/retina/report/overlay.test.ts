/** Tier: no adapter. Overlays and comparisons of lesion masks. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { STRUCTURE_COLORS } from './colors.ts';
import { headerHeight, type StructureMasks, renderComparison, renderOverlay } from './overlay.ts';
import type { RgbImage } from '../domain.ts';
import { escapeXml } from './svg.ts';

const WIDTH = 60;
const HEIGHT = 40;

function grayImage(width = WIDTH, height = HEIGHT): RgbImage {
  return { data: new Uint8Array(width * height * 3).fill(100), width, height };
}

/** A mask of the rectangle x in [left, right), y in [top, bottom). */
function rectangle(
  left: number,
  top: number,
  right: number,
  bottom: number,
  width = WIDTH,
  height = HEIGHT,
): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, pixel) => {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    return x >= left && x < right && y >= top && y < bottom ? 255 : 0;
  });
}

type Decoded = { width: number; height: number; at: (x: number, y: number) => number[] };

async function decode(png: Uint8Array): Promise<Decoded> {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number): number[] =>
    Array.from(data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3));
  return { width: info.width, height: info.height, at };
}

function mixed(lesion: 'HE' | 'OD', alpha: number): number[] {
  return STRUCTURE_COLORS[lesion].rgb.map((channel) => Math.round(100 + (channel - 100) * alpha));
}

describe('renderOverlay', () => {
  it("draws a title with what XML cannot hold: a file's name costs no list of pictures", async () => {
    const title = 'a\u001b[31m\u0000\u0008\ufffe\ud800 😀 <&"\'>\n.jpg';
    expect((await decode(await renderOverlay(grayImage(), {}, { title }))).width).toBe(WIDTH);
    expect(escapeXml('\u001b\ud800😀<')).toBe('\\u001b\ufffd😀&#60;');
  });

  it('fills inside, outlines outside, and leaves the rest of the image alone', async () => {
    const image = grayImage();
    const { width, height, at } = await decode(await renderOverlay(image, { HE: rectangle(10, 8, 20, 16) }));
    expect(width).toBe(WIDTH);
    expect(height).toBeGreaterThan(HEIGHT);
    expect(at(15, 12)).toEqual(mixed('HE', 0.3));
    expect(at(10, 8)).toEqual(mixed('HE', 0.3));
    for (const [x, y] of [
      [9, 12],
      [20, 12],
      [15, 7],
      [15, 16],
      [9, 7],
    ])
      expect(at(x, y)).toEqual([...STRUCTURE_COLORS.HE.rgb]);
    for (const [x, y] of [
      [8, 12],
      [21, 12],
      [15, 6],
      [15, 17],
      [59, 39],
    ])
      expect(at(x, y)).toEqual([100, 100, 100]);
    expect(image.data.every((value) => value === 100)).toBe(true);
  });

  it('draws small lesions over the disc, and the disc with half the fill', async () => {
    const masks = { HE: rectangle(12, 12, 14, 14), OD: rectangle(5, 5, 30, 30) };
    const { at } = await decode(await renderOverlay(grayImage(), masks, { fill: 0.5, outline: 2 }));
    expect(at(25, 25)).toEqual(mixed('OD', 0.25));
    expect(at(11, 12)).toEqual([...STRUCTURE_COLORS.HE.rgb]);
    expect(at(31, 10)).toEqual([...STRUCTURE_COLORS.OD.rgb]);
  });

  it('keeps a mask at the edge of the frame within its rows', async () => {
    const { at } = await decode(await renderOverlay(grayImage(), { HE: rectangle(58, 0, 60, 2) }));
    expect(at(57, 1)).toEqual([...STRUCTURE_COLORS.HE.rgb]);
    for (let y = 0; y < 5; y++) expect(at(0, y)).toEqual([100, 100, 100]);
  });

  it('lists in the legend the lesions that were given, even when empty', async () => {
    const empty = new Uint8Array(WIDTH * HEIGHT);
    const bare = await decode(await renderOverlay(grayImage(), {}));
    expect([bare.width, bare.height]).toEqual([WIDTH, HEIGHT]);
    const { width, height, at } = await decode(
      await renderOverlay(grayImage(300, 40), { SE: new Uint8Array(300 * 40) }),
    );
    let swatch = 0;
    for (let y = 40; y < height; y++) {
      for (let x = 0; x < width; x++) if (at(x, y).join() === STRUCTURE_COLORS.SE.rgb.join()) swatch++;
    }
    expect(swatch).toBeGreaterThan(50);
    const two = await decode(await renderOverlay(grayImage(), { SE: empty, MA: empty }));
    expect(two.height).toBeGreaterThan(height);
  });

  it('breaks a title that is wider than the picture, and does not shrink it', async () => {
    const parts = ['eye.jpg: retinopathy 2 moderate', 'edema risk 1', 'REFER (score 0.90, from 0.66 on)'];
    const wide = { ...grayImage(), width: 320, height: 16, data: new Uint8Array(320 * 16 * 3).fill(99) };
    const heights = await Promise.all(
      [parts.slice(0, 1), parts].map(
        async (shown) => (await decode(await renderOverlay(wide, {}, { title: shown.join(', ') }))).height,
      ),
    );
    // Three lines of 11 pixels in place of one.
    expect(heights[1] - heights[0]).toBe(2 * 16);
  });

  it('places the image below its title', async () => {
    const { at, height } = await decode(await renderOverlay(grayImage(), {}, { title: 'IDRiD_55 <&>' }));
    const top = headerHeight(WIDTH, 'IDRiD_55 <&>');
    expect(top).toBeGreaterThan(0);
    expect(height).toBe(HEIGHT + top);
    expect(at(0, top)).toEqual([100, 100, 100]);
    expect(at(0, 0)).toEqual([255, 255, 255]);
  });

  it('keeps a single-pixel lesion when scaled down', async () => {
    const mask = new Uint8Array(400 * 200);
    mask[101 * 400 + 203] = 1;
    const { width, at } = await decode(await renderOverlay(grayImage(400, 200), { HE: mask }, { maxSide: 40 }));
    expect(width).toBe(40);
    expect(at(20, 10)).toEqual(mixed('HE', 0.3));
    expect(at(19, 10)).toEqual([...STRUCTURE_COLORS.HE.rgb]);
  });

  it('says which buffer has the wrong size', async () => {
    const rgba = { data: new Uint8Array(WIDTH * HEIGHT * 4), width: WIDTH, height: HEIGHT };
    await expect(renderOverlay(rgba, {})).rejects.toThrow(/9600 bytes, not 60 × 40 × 3/);
    await expect(renderOverlay(grayImage(), { MA: new Uint8Array(3) })).rejects.toThrow(/MA has 3 pixels/);
    await expect(renderComparison(grayImage(), {}, { SE: new Uint8Array(3) })).rejects.toThrow(/prediction SE has 3/);
  });

  it('is a PNG', async () => {
    expect((await sharp(await renderOverlay(grayImage(), {})).metadata()).format).toBe('png');
  });
});

describe('renderComparison', () => {
  it('puts the truth left and the prediction right', async () => {
    const truth: StructureMasks = { HE: rectangle(10, 8, 20, 16) };
    const predicted: StructureMasks = { HE: rectangle(40, 8, 50, 16) };
    const { width, at } = await decode(await renderComparison(grayImage(), truth, predicted));
    const top = headerHeight(WIDTH, 'truth');
    const right = width - WIDTH;
    expect(right).toBeGreaterThan(WIDTH);
    expect(at(15, top + 12)).toEqual(mixed('HE', 0.3));
    expect(at(45, top + 12)).toEqual([100, 100, 100]);
    expect(at(right + 15, top + 12)).toEqual([100, 100, 100]);
    expect(at(right + 45, top + 12)).toEqual(mixed('HE', 0.3));
    expect(at(WIDTH + 1, top + 12)).toEqual([255, 255, 255]);
  });
});
