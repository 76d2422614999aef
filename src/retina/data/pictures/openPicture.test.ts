/** Tier: no adapter. Pictures that are sound and not read as they were meant, or not at all: what is said leads to one that is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tiffBytes } from '../testsupport.ts';
import { IMAGE, openPicture, pictureError } from './openPicture.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gmtl-open-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const decode = async (path: string): Promise<Buffer> => {
  const { pipeline } = await openPicture(path, IMAGE);
  try {
    return await pipeline().raw().toBuffer();
  } catch (cause) {
    throw pictureError(path, IMAGE, cause);
  }
};
const file = (name: string, content: Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

test('a TIFF in luma and chroma is refused: it was read as red, green and blue', async () => {
  const square = { width: 8, height: 8, bits: 8, samples: 3 } as const;
  const values = Array.from({ length: 64 }, () => [99, 78, 173]).flat();
  const path = file('ycbcr.tif', tiffBytes({ ...square, values, photometric: 6 }));
  await expect(decode(path)).rejects.toThrow(
    `Cannot decode the image ${path}: its colors are luma and chroma (YCbCr), which are not converted. Save it as RGB.`,
  );
  const lzw = tiffBytes({ ...square, values, photometric: 6, compression: 'lzw', bigEndian: true });
  await expect(decode(file('lzw.tif', lzw))).rejects.toThrow(/luma and chroma/);
  expect([...(await decode(file('rgb.tif', tiffBytes({ ...square, values, photometric: 2 })))).subarray(0, 3)]).toEqual(
    [99, 78, 173],
  );
  // libjpeg converts: the usual kind of TIFF with these colors.
  const jpeg = await sharp(Buffer.from(values), { raw: { width: 8, height: 8, channels: 3 } })
    .tiff({ compression: 'jpeg' })
    .toBuffer();
  const [red, green, blue] = await decode(file('jpeg.tif', jpeg));
  expect(Math.max(Math.abs(red - 99), Math.abs(green - 78), Math.abs(blue - 173))).toBeLessThan(12);
});

test('a way of storing that is not read is not called damage: downloading it again would not help', async () => {
  const jpeg = await sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  // 12 bits a sample, in the frame header.
  jpeg[jpeg.indexOf(Buffer.from([0xff, 0xc0])) + 4] = 12;
  await expect(decode(file('12bit.jpg', jpeg))).rejects.toThrow(/precision 12.* is not read: save it as PNG\.$/);
  for (const said of [
    'tiff2vips: tiled separate planes not supported',
    'tiff2vips: LZMA compression support is not configured',
    "vips_colourspace: no known route from 'multiband' to 'srgb'",
    'Input buffer has corrupt header: image: bad labq format',
    'tiff2vips: Sorry, can not handle image',
  ]) {
    expect(pictureError('eye.tif', IMAGE, new Error(said)).message).toMatch(/save it as PNG\.$/);
  }
  const cut = pictureError('eye.jpg', IMAGE, new Error('VipsJpeg: premature end of JPEG image'));
  expect(cut.message).toMatch(/truncated or damaged/);
});
