/** Tier: no adapter. From an image file to a sample: field of view, masks, resizing, the disk cache. */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_CLAHE } from './claheOptions.ts';
import { equalizeLightness, normalizeBenGraham } from './enhance.ts';
import { findFieldOfView, frameBox } from './fov.ts';
import type { RgbImage } from '../../domain.ts';
import { addMaskBit, cropRgb, mapMaskToFrame } from './geometry.ts';
import { readIdrid } from '../sets/idrid.ts';
import { decodeImage, preprocessImage, preprocessItem } from './preprocess.ts';
import { DEFAULT_PREPROCESS, type PreprocessOptions } from './sample.ts';
import { SampleCache } from '../loading/sampleCache.ts';
import { TINY_HEIGHT, TINY_WIDTH, tinyFundus, writeTinyIdrid } from '../testsupport.ts';
import type { DatasetItem } from '../../domain.ts';

let root = '';
let items: DatasetItem[] = [];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-preprocess-'));
  await writeTinyIdrid(join(root, 'set'));
  items = await readIdrid(join(root, 'set'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

/** A picture with `value` in the rectangle and 3 (camera black) elsewhere. */
function rectangle(
  width: number,
  height: number,
  left: number,
  top: number,
  w: number,
  h: number,
  value = 120,
): RgbImage {
  const data = new Uint8Array(3 * width * height).fill(3);
  for (let y = top; y < top + h; y++) data.fill(value, 3 * (y * width + left), 3 * (y * width + left + w));
  return { width, height, data };
}

function mask(width: number, height: number, ...ones: (readonly [number, number])[]) {
  const data = new Uint8Array(width * height);
  for (const [x, y] of ones) data[y * width + x] = 1;
  return { width, height, data, foreground: ones.length };
}

describe('findFieldOfView', () => {
  it('squares the bounding box, beyond the frame where the disc is cut', () => {
    // 60 wide, 40 high, touching top and bottom: 10 rows of padding above and below.
    expect(findFieldOfView(rectangle(100, 40, 20, 0, 60, 40), 'x')).toEqual({
      left: 20,
      top: -10,
      size: 60,
      width: 100,
      height: 40,
    });
    expect(findFieldOfView(rectangle(50, 90, 5, 10, 30, 70), 'x')).toEqual({
      left: -15,
      top: 10,
      size: 70,
      width: 50,
      height: 90,
    });
  });

  it('ignores stray bright pixels and scattered light beside the disc', () => {
    const image = rectangle(100, 60, 20, 5, 50, 50, 200);
    image.data.fill(255, 3 * (2 * 100 + 95), 3 * (2 * 100 + 97));
    for (let y = 5; y < 55; y++) image.data.fill(17, 3 * (y * 100 + 70), 3 * (y * 100 + 90));
    expect(findFieldOfView(image, 'x')).toEqual({ left: 20, top: 5, size: 50, width: 100, height: 60 });
  });

  it('searches large frames on a grid and is at most a grid cell too wide', () => {
    const box = findFieldOfView(rectangle(1500, 1000, 301, 100, 803, 800), 'x');
    expect(box.size).toBeGreaterThanOrEqual(803 - 3);
    expect(box.size).toBeLessThanOrEqual(803 + 6);
    expect(Math.abs(box.left - 301)).toBeLessThanOrEqual(3);
  });

  it('refuses a black picture by name', () => {
    expect(() => findFieldOfView(rectangle(50, 50, 0, 0, 2, 2), 'dark.jpg')).toThrow(
      /dark\.jpg shows no field of view/,
    );
  });
});

describe('masks', () => {
  it('area-max never loses a pixel that nearest drops', () => {
    const box = { left: 0, top: 0, size: 80, width: 80, height: 80 };
    const single = mask(80, 80, [33, 57]);
    const nearest = new Uint8Array(64);
    addMaskBit(single, box, 8, 'nearest', 1, nearest);
    expect(nearest.every((value) => value === 0)).toBe(true);
    const out = new Uint8Array(64);
    addMaskBit(single, box, 8, 'area-max', 4, out);
    expect([...out].flatMap((value, index) => (value ? [[index % 8, index >> 3, value]] : []))).toEqual([[3, 5, 4]]);
  });

  it('agrees with a plain maximum over every target area, for sizes that do not divide', () => {
    const width = 23;
    const height = 17;
    const box = { left: -3, top: 2, size: 19, width, height };
    const ones = Array.from({ length: 40 }, (_, index) => [(index * 7) % width, (index * 5) % height] as const);
    const source = mask(width, height, ...ones);
    for (const target of [5, 8, 19, 31]) {
      const out = new Uint8Array(target * target);
      addMaskBit(source, box, target, 'area-max', 1, out);
      for (let y = 0; y < target; y++) {
        for (let x = 0; x < target; x++) {
          const cover = (cell: number, at: number) => [
            at + Math.floor((cell * 19) / target),
            at + Math.ceil(((cell + 1) * 19) / target),
          ];
          const [x0, x1] = cover(x, box.left);
          const [y0, y1] = cover(y, box.top);
          const expected = ones.some(([px, py]) => px >= x0 && px < x1 && py >= y0 && py < y1) ? 1 : 0;
          expect(out[y * target + x], `target ${target}, cell ${x},${y}`).toBe(expected);
        }
      }
    }
  });

  it('maps back to the frame: where the mask was, zero outside the box', () => {
    const box = { left: 10, top: -5, size: 40, width: 60, height: 30 };
    const map = new Float32Array(100);
    map[4 * 10 + 3] = 1;
    const frame = mapMaskToFrame(map, box);
    expect(frame).toHaveLength(60 * 30);
    // Cell (3, 4) of 4x4 pixels covers x 22 … 25, y 11 … 14; its center is at (24, 13).
    const peak = frame.indexOf(Math.max(...frame));
    expect([peak % 60, Math.floor(peak / 60)]).toEqual([23, 12]);
    expect(frame[12 * 60 + 23]).toBeCloseTo((1 - 0.125) ** 2, 6);
    expect(frame[12 * 60 + 5]).toBe(0);
    const constant = mapMaskToFrame(new Float32Array(100).fill(0.25), box);
    const inside = constant.filter((_, index) => index % 60 >= 10 && index % 60 < 50);
    expect(inside.every((value) => value === 0.25)).toBe(true);
    expect(constant.filter((value) => value !== 0)).toHaveLength(inside.length);
    expect(() => mapMaskToFrame(new Float32Array(99), box)).toThrow(/99 values are not a square map/);
  });

  it('maps a full IDRiD frame within a second', () => {
    // Of the processor: the clock also counts what other tests do meanwhile.
    const started = process.cpuUsage();
    mapMaskToFrame(new Float32Array(512 * 512), { left: 279, top: -286, size: 3420, width: 4288, height: 2848 });
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(1000);
  });
});

describe('decoding and resizing', () => {
  it('keeps the aspect ratio and pads with black', async () => {
    const wide = rectangle(100, 50, 0, 0, 100, 50, 200);
    const { image, box } = await preprocessImage(wide, 'x', { ...DEFAULT_PREPROCESS, size: 40, crop: 'frame' });
    expect(box).toEqual(frameBox(100, 50));
    expect(box).toMatchObject({ left: 0, top: -25, size: 100 });
    const row = (y: number) => image[3 * (y * 40 + 20)];
    expect([row(4), row(20), row(35)]).toEqual([0, 200, 0]);
    expect(cropRgb(wide, { ...box, left: 90, top: 45, size: 20 }).data[0]).toBe(200);
  });

  it('reads gray, alpha and palette pictures as RGB, transparent parts on black', async () => {
    const parts = Buffer.from([200, 100, 50, 255, 200, 100, 50, 0]);
    const holed = await sharp(parts, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decodeImage('h.png', holed)).data]).toEqual([200, 100, 50, 0, 0, 0]);
    const gray = sharp(Buffer.alloc(12, 77), { raw: { width: 4, height: 3, channels: 1 } }).toColourspace('b-w');
    expect([...(await decodeImage('g.png', await gray.png().toBuffer())).data]).toEqual(Array(36).fill(77));
    const rgba = sharp({ create: { width: 4, height: 3, channels: 4, background: { r: 9, g: 8, b: 7, alpha: 0.5 } } });
    expect([...(await decodeImage('a.png', await rgba.png().toBuffer())).data.subarray(0, 6)]).toEqual([
      9, 8, 7, 9, 8, 7,
    ]);
  });

  it('B19: turns a picture as its EXIF orientation says, and rounds 16 bits to 8', async () => {
    const values = Array.from({ length: 18 }, (_, index) => 10 * index);
    const raw = { width: 3, height: 2, channels: 3 } as const;
    const plain = sharp(Buffer.from(values), { raw });
    const pixels = async (orientation: number) => {
      const bytes = await plain.clone().tiff({ compression: 'none' }).withMetadata({ orientation }).toBuffer();
      return decodeImage('o.tif', bytes);
    };
    expect([...(await pixels(1)).data]).toEqual(values);
    const upside = await pixels(3);
    const turned = [5, 4, 3, 2, 1, 0].flatMap((pixel) => values.slice(3 * pixel, 3 * pixel + 3));
    expect([...upside.data]).toEqual(turned);
    expect(await pixels(6)).toMatchObject({ width: 2, height: 3 });
    const deep = sharp(
      Uint16Array.from(values, (value) => 257 * value),
      { raw },
    ).toColourspace('rgb16');
    expect([...(await decodeImage('d.png', await deep.png().toBuffer())).data]).toEqual(values);
  });

  it('B21: refuses a picture that unpacks to too many pixels, one of a foreign kind, and what is not a file', async () => {
    const bomb = await sharp({ create: { width: 15_000, height: 15_000, channels: 3, background: 'black' } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    expect(bomb.length).toBeLessThan(1_000_000);
    await expect(decodeImage('bomb.png', bomb)).rejects.toMatchObject({
      code: 'data/image-too-large',
      message: expect.stringMatching(/bomb\.png has 15000x15000 pixels, more than the 200 million/),
    });
    const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    await expect(decodeImage('eye.jpg', drawing)).rejects.toThrow(/its content is svg, none of jpeg, png/);
    await expect(decodeImage(root)).rejects.toThrow(/it is not a file/);
  }, 30_000);

  it('names a truncated JPEG, a damaged one and an empty file', async () => {
    const whole = await tinyFundus(5);
    for (const [name, bytes] of [
      ['half.jpg', whole.subarray(0, whole.length >> 1)],
      ['tail.jpg', whole.subarray(0, whole.length - 40)],
      ['empty.jpg', Buffer.alloc(0)],
    ] as const) {
      await expect(decodeImage(name, bytes), name).rejects.toMatchObject({
        code: 'data/image-unreadable',
        message: expect.stringContaining(name),
      });
    }
  });

  it('prepares an item with its masks in the bits of their structures', async () => {
    const sample = await preprocessItem(items[0], { ...DEFAULT_PREPROCESS, size: 32 });
    expect(sample.box).toMatchObject({ width: TINY_WIDTH, height: TINY_HEIGHT });
    const counts = [0, 1, 2, 3, 4].map((bit) => sample.maskBits?.reduce((sum, value) => sum + ((value >> bit) & 1), 0));
    expect(counts[1]).toBe(0);
    expect(counts[3]).toBe(0);
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts[2]).toBeGreaterThan(counts[0] ?? 0);
    expect(counts[4]).toBeGreaterThan(counts[2] ?? 0);
    expect((await preprocessItem(items[4], DEFAULT_PREPROCESS)).maskBits).toBeNull();
  });
});

describe('CLAHE and Ben Graham', () => {
  it('follow the crop and the resize, in this order, and leave masks and box alone', async () => {
    const plain = await preprocessItem(items[0], { ...DEFAULT_PREPROCESS, size: 48 });
    const both = await preprocessItem(items[0], {
      ...DEFAULT_PREPROCESS,
      size: 48,
      clahe: DEFAULT_CLAHE,
      benGraham: true,
    });
    expect(both.box).toEqual(plain.box);
    expect(both.maskBits).toEqual(plain.maskBits);
    const { left, top, size, width, height } = plain.box;
    const bound = (position: number) => Math.min(48, Math.max(0, (48 * position) / size));
    const content = [
      Math.ceil(bound(-left)),
      Math.ceil(bound(-top)),
      Math.floor(bound(width - left)),
      Math.floor(bound(height - top)),
    ] as const;
    const expected = await normalizeBenGraham(await equalizeLightness(plain.image, 48, DEFAULT_CLAHE), 48, content);
    expect(Buffer.from(both.image).equals(Buffer.from(expected))).toBe(true);
    expect([...both.image.subarray(0, 3)]).toEqual([128, 128, 128]);
  });
});

describe('SampleCache', () => {
  const options = { ...DEFAULT_PREPROCESS, size: 24 };

  it('gives what preprocessing gives, and keeps settings apart', async () => {
    const cache = new SampleCache(join(root, 'cache1'));
    const fresh = await preprocessItem(items[0], options);
    for (const counts of [
      { hits: 0, misses: 1, rebuilt: 0 },
      { hits: 1, misses: 1, rebuilt: 0 },
    ]) {
      const sample = await cache.sample(items[0], options);
      expect(Buffer.from(sample.image).equals(Buffer.from(fresh.image))).toBe(true);
      expect([...(sample.maskBits ?? [])]).toEqual([...(fresh.maskBits ?? [])]);
      expect(sample.box).toEqual(fresh.box);
      expect(cache.counts).toEqual(counts);
    }
    await cache.sample(items[0], { ...options, maskResize: 'nearest' });
    await cache.sample(items[0], { ...options, crop: 'frame' });
    expect((await cache.sample(items[0], { ...options, size: 25 })).size).toBe(25);
    expect(cache.counts).toEqual({ hits: 1, misses: 4, rebuilt: 0 });
    const normalized: PreprocessOptions[] = [
      { ...options, clahe: { clipLimit: 2, tiles: 8 } },
      { ...options, clahe: { clipLimit: 100, tiles: 8 } },
      { ...options, clahe: { clipLimit: 2, tiles: 4 } },
      { ...options, benGraham: true },
      { ...options, clahe: { clipLimit: 2, tiles: 8 }, benGraham: true },
    ];
    const pictures = new Set<string>();
    for (const [index, settings] of normalized.entries()) {
      pictures.add(Buffer.from((await cache.sample(items[0], settings)).image).toString('base64'));
      expect(cache.counts.misses).toBe(5 + index);
    }
    expect(pictures.size).toBe(normalized.length);
    await cache.sample(items[0], { ...options, clahe: { tiles: 8, clipLimit: 2 } });
    expect(cache.counts).toEqual({ hits: 2, misses: 9, rebuilt: 0 });
  });

  it('makes cut and altered entries again', async () => {
    const folder = join(root, 'cache2');
    const cache = new SampleCache(folder);
    const first = await cache.sample(items[0], options);
    const [sub] = await readdir(join(folder, 'samples'));
    const [name] = await readdir(join(folder, 'samples', sub));
    const path = join(folder, 'samples', sub, name);
    const spoil = [
      () => truncate(path, 1000),
      () => truncate(path, 0),
      async () => {
        const bytes = await readFile(path);
        bytes[500] ^= 1;
        await writeFile(path, bytes);
      },
    ];
    for (const [index, damage] of spoil.entries()) {
      await damage();
      expect(await cache.sample(items[0], options)).toEqual(first);
      expect(cache.counts.rebuilt).toBe(index + 1);
    }
    expect(await cache.sample(items[0], options)).toEqual(first);
    expect(cache.counts).toEqual({ hits: 1, misses: 1, rebuilt: 3 });
  });

  it('notices that a file changed under the same name', async () => {
    const path = join(root, 'changing.jpg');
    const item: DatasetItem = { ...items[4], imagePath: path };
    const cache = new SampleCache(join(root, 'cache3'));
    await writeFile(path, await tinyFundus(1));
    const before = await cache.sample(item, options);
    await writeFile(path, await tinyFundus(2));
    const after = await new SampleCache(join(root, 'cache3')).sample(item, options);
    expect(Buffer.from(before.image).equals(Buffer.from(after.image))).toBe(false);
  });
});
