/** Tier: no adapter. Decoding of mask files of every kind. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMask } from './mask.ts';
import { palettePng, RED_PALETTE, type TiffCompression, type TiffOptions, tiffBytes } from '../testsupport.ts';

const WIDTH = 21;
const HEIGHT = 9;
/** A pattern whose width is not a multiple of 8: padding bits at row ends must not shift it. */
const PATTERN = Array.from({ length: WIDTH * HEIGHT }, (_, index) => (index % 5 === 0 || index % 21 === 20 ? 1 : 0));
const COLORS = PATTERN.flatMap((value) => [255 * value, 0, 0]);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gmtl-mask-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function decode(name: string, bytes: Uint8Array): Promise<number[]> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  const mask = await decodeMask(path);
  expect([mask.width, mask.height]).toEqual([WIDTH, HEIGHT]);
  return [...mask.data];
}

describe('decodeMask', () => {
  const palette: Omit<TiffOptions, 'bits'> = {
    width: WIDTH,
    height: HEIGHT,
    values: PATTERN,
    photometric: 3,
    palette: RED_PALETTE,
  };
  for (const compression of ['none', 'lzw', 'packbits', 'deflate'] satisfies TiffCompression[]) {
    for (const bits of [1, 4, 8] as const) {
      for (const bigEndian of [false, true]) {
        it(`reads a ${bits}-bit palette TIFF, ${compression}, ${bigEndian ? 'big' : 'little'}-endian`, async () => {
          expect(await decode('palette.tif', tiffBytes({ ...palette, bits, compression, bigEndian }))).toEqual(PATTERN);
        });
      }
    }
  }

  it('takes the palette index, not the color: a white background and a black foreground', async () => {
    const inverse = [
      [255, 255, 255],
      [0, 0, 0],
    ] as const;
    expect(await decode('inverse.tif', tiffBytes({ ...palette, bits: 1, palette: inverse }))).toEqual(PATTERN);
    expect(await decode('inverse.png', palettePng(WIDTH, HEIGHT, PATTERN, 1, inverse))).toEqual(PATTERN);
  });

  it('ignores an alpha channel that is 255 everywhere', async () => {
    const values = PATTERN.flatMap((value) => [255 * value, 0, 0, 255]);
    expect(await decode('rgba.tif', tiffBytes({ ...palette, values, bits: 8, samples: 4, photometric: 2 }))).toEqual(
      PATTERN,
    );
    const raw = { width: WIDTH, height: HEIGHT, channels: 4 } as const;
    expect(await decode('rgba.png', await sharp(Buffer.from(values), { raw }).png().toBuffer())).toEqual(PATTERN);
  });

  it('reads RGB and bilevel gray TIFFs', async () => {
    expect(
      await decode('rgb.tif', tiffBytes({ ...palette, values: COLORS, bits: 8, samples: 3, photometric: 2 })),
    ).toEqual(PATTERN);
    expect(await decode('gray.tif', tiffBytes({ ...palette, bits: 1, photometric: 1 }))).toEqual(PATTERN);
    // Min-is-white: a stored 0 is white, hence foreground.
    const values = PATTERN.map((value) => 1 - value);
    expect(await decode('white.tif', tiffBytes({ ...palette, values, bits: 1, photometric: 0 }))).toEqual(PATTERN);
  });

  it('reads palette PNGs, gray PNGs with the value 1, and red JPEGs', async () => {
    expect(await decode('p1.png', palettePng(WIDTH, HEIGHT, PATTERN, 1, RED_PALETTE))).toEqual(PATTERN);
    expect(await decode('p8.png', palettePng(WIDTH, HEIGHT, PATTERN, 8, RED_PALETTE))).toEqual(PATTERN);
    const gray = sharp(Buffer.from(PATTERN), { raw: { width: WIDTH, height: HEIGHT, channels: 1 } });
    expect(await decode('gray.png', await gray.png().toBuffer())).toEqual(PATTERN);
    const red = sharp(Buffer.from(COLORS), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
    expect(await decode('red.jpg', await red.jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer())).toEqual(
      PATTERN,
    );
  });

  it('refuses a lesion over 30 % of the frame, and an optic disc over 50 %', async () => {
    const path = join(folder, 'full.tif');
    await writeFile(path, tiffBytes({ ...palette, values: PATTERN.map(() => 1), bits: 1 }));
    await expect(decodeMask(path, { structure: 'EX' })).rejects.toMatchObject({
      code: 'data/mask-coverage',
      message: expect.stringMatching(/EX mask .*full\.tif marks 100\.0 % of the frame/),
    });
    await expect(decodeMask(path, { structure: 'OD' })).rejects.toMatchObject({ code: 'data/mask-coverage' });
    expect((await decodeMask(path)).foreground).toBe(WIDTH * HEIGHT);
  });

  it('B17: reads 16-bit masks whatever their values, gray, with alpha and in color', async () => {
    for (const [dark, bright] of [
      [0, 1],
      [0, 255],
      [0, 65535],
      [7, 300],
    ]) {
      const level = (value: number) => (value === 1 ? bright : dark);
      const gray = sharp(Uint16Array.from(PATTERN, level), { raw: { width: WIDTH, height: HEIGHT, channels: 1 } });
      expect(await decode('g16.png', await gray.toColourspace('grey16').png().toBuffer()), `${bright}`).toEqual(
        PATTERN,
      );
      const values = PATTERN.flatMap((value) => [level(value), dark, dark]);
      const color = sharp(Uint16Array.from(values), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
      expect(await decode('c16.png', await color.toColourspace('rgb16').png().toBuffer()), `${bright}`).toEqual(
        PATTERN,
      );
    }
  });

  it('B17: reads masks that are drawn in the alpha channel, labels, and smoothed edges', async () => {
    const of = (channels: 1 | 2 | 4, values: readonly number[]) =>
      sharp(Buffer.from(values), { raw: { width: WIDTH, height: HEIGHT, channels } })
        .png()
        .toBuffer();
    const alpha = PATTERN.flatMap((value) => [0, 0, 0, 255 * value]);
    expect(await decode('alpha.png', await of(4, alpha))).toEqual(PATTERN);
    const red = PATTERN.flatMap((value) => [200, 0, 0, 255 * value]);
    expect(await decode('red-alpha.png', await of(4, red))).toEqual(PATTERN);
    const hidden = PATTERN.flatMap((value, index) => [255, value === 1 ? 255 : index % 2 === 0 ? 0 : 255]);
    expect(await decode('hidden.png', await of(2, hidden))).not.toEqual(PATTERN.map(() => 1));
    const labels = PATTERN.map((value, index) => value * (1 + (index % 9)));
    expect(await decode('labels.png', await of(1, labels))).toEqual(PATTERN);
    const noisy = PATTERN.map((value, index) => (value === 1 ? 255 - (index % 12) : index % 12));
    expect(await decode('noisy.png', await of(1, noisy))).toEqual(PATTERN);
    const gray = sharp(Buffer.from(PATTERN.map((value) => 150 * value)), {
      raw: { width: WIDTH, height: HEIGHT, channels: 1 },
    });
    expect(await decode('dim.jpg', await gray.jpeg({ quality: 95 }).toBuffer())).toEqual(PATTERN);
  });

  it('B17: refuses what is not a mask: a photograph, a JPEG with marks as faint as its artifacts', async () => {
    const size = { width: WIDTH, height: HEIGHT, channels: 1 } as const;
    const refused = async (name: string, bytes: Uint8Array, message: RegExp): Promise<void> => {
      await writeFile(join(folder, name), bytes);
      await expect(decodeMask(join(folder, name)), name).rejects.toThrow(message);
    };
    const ramp = sharp(Buffer.from(PATTERN.map((_, index) => index)), { raw: size });
    await refused('ramp.png', await ramp.png().toBuffer(), /neither near its darkest nor near its brightest/);
    const faint = sharp(Buffer.from(PATTERN.map((value) => 3 * value)), { raw: size });
    await refused('faint.jpg', await faint.jpeg({ quality: 100 }).toBuffer(), /too close to tell marks from/);
  });

  it('B19: turns a mask that states an EXIF orientation, and says why sides are exchanged', async () => {
    const gray = sharp(Buffer.from(PATTERN.map((value) => 255 * value)), {
      raw: { width: WIDTH, height: HEIGHT, channels: 1 },
    });
    const upside = await gray.clone().jpeg({ quality: 100 }).withMetadata({ orientation: 3 }).toBuffer();
    expect(await decode('turned.jpg', upside)).toEqual(PATTERN.toReversed());
    const path = join(folder, 'side.png');
    await writeFile(path, await gray.png().toBuffer());
    await expect(decodeMask(path, { expected: { width: HEIGHT, height: WIDTH } })).rejects.toThrow(/EXIF orientation/);
  });

  it('refuses another size than the image and names both', async () => {
    const path = join(folder, 'size.tif');
    await writeFile(path, tiffBytes({ ...palette, bits: 1 }));
    await expect(decodeMask(path, { expected: { width: 22, height: 9 } })).rejects.toMatchObject({
      code: 'data/mask-size',
      message: expect.stringMatching(/size\.tif is 21x9, its image 22x9/),
    });
  });

  it('names a truncated, an empty and a missing file', async () => {
    const whole = tiffBytes({ ...palette, bits: 8, compression: 'none' });
    for (const [name, bytes] of [
      ['cut.tif', whole.subarray(0, whole.length - 100)],
      ['stub.tif', whole.subarray(0, 20)],
      ['empty.tif', Buffer.alloc(0)],
    ] as const) {
      const path = join(folder, name);
      await writeFile(path, bytes);
      await expect(decodeMask(path), name).rejects.toMatchObject({
        code: 'data/mask-unreadable',
        message: expect.stringContaining(path),
      });
    }
    await expect(decodeMask(join(folder, 'none.tif'))).rejects.toMatchObject({ code: 'data/mask-unreadable' });
  });
});
