/** Tier: headless browser. DICOM photographs are decoded in a page as in Node, frame for frame; damaged ones end in one line. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { deflateRawSync } from 'node:zlib';
import { decodeImage } from '../../src/retina/data/pictures/preprocess.ts';
import { hostileDicoms, oddDicoms, withExif } from '../../src/retina/data/pictures/testsupport.ts';
import { noBrowser, serveModule, usePages } from './browser.ts';

const folder = fileURLToPath(new URL('../../src/retina/data/pictures/fixtures/dicom/', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.dcm'));

/** Levels that two decoders of the same JPEG may differ by; the others are equal to the bit. */
const JPEG_LEVELS = 2;

const IN_THE_PAGE = `
import { decodePicture } from '../screening/decode.ts';
export async function decodedHere(bytes) {
  try {
    const { width, height, data, dicom } = await decodePicture(new Blob([new Uint8Array(bytes)]), 'eye.dcm');
    return { width, height, data: Array.from(data), dicom };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}`;

interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly data: readonly number[];
  readonly dicom: object;
  readonly code: string;
  readonly message: string;
}

describe.skipIf(noBrowser !== null)('DICOM in the page', () => {
  const pages = usePages();
  let page: Page;
  beforeAll(async () => {
    const opened = await pages.open('kernels.html');
    page = opened.page;
    await serveModule(opened.context, 'dicom.js', IN_THE_PAGE);
  });

  const decoded = async (bytes: Uint8Array): Promise<Decoded> =>
    (await page.evaluate(`import('/dicom.js').then((m) => m.decodedHere(${JSON.stringify([...bytes])}))`)) as Decoded;

  it('every encoding that Node reads gives the same frame and the same facts', async () => {
    expect(files.length).toBeGreaterThan(10);
    for (const name of files) {
      const node = await decodeImage(`${folder}${name}`).catch((error: Error) => error);
      const there = await decoded(readFileSync(`${folder}${name}`));
      if (node instanceof Error) {
        expect(there.code, name).toBe('data/image-unreadable');
        continue;
      }
      expect([there.message, there.width, there.height], name).toEqual([undefined, node.width, node.height]);
      expect(there.dicom, name).toEqual(node.dicom);
      const most = there.data.reduce((off, value, at) => Math.max(off, Math.abs(value - node.data[at])), 0);
      expect(most, name).toBeLessThanOrEqual(/jpeg|wrapped/.test(name) ? JPEG_LEVELS : 0);
    }
  });

  it('Exif data within a JPEG turns nothing, as in Node', async () => {
    const bytes = withExif(readFileSync(`${folder}jpeg.dcm`), 6);
    const [node, there] = [await decodeImage('eye.dcm', bytes), await decoded(bytes)];
    expect([there.width, there.height, there.data.length]).toEqual([56, 48, node.data.length]);
    const most = there.data.reduce((off, value, at) => Math.max(off, Math.abs(value - node.data[at])), 0);
    expect(most).toBeLessThanOrEqual(JPEG_LEVELS);
  });

  it('what unpacks a thousandfold is refused while it unpacks', async () => {
    const file = readFileSync(`${folder}deflated.dcm`);
    // Behind the file meta information, whose length its first element states.
    const bomb = [file.subarray(0, 144 + file.readUInt32LE(140)), deflateRawSync(Buffer.alloc(20 * 2 ** 20))];
    const { code, message } = await decoded(Buffer.concat(bomb));
    expect(code).toBe('data/image-unreadable');
    expect(message).toMatch(/unpacks to more than 1\d{7} bytes/);
    const node = await decodeImage('eye.dcm', Buffer.concat(bomb)).catch((error: Error) => error);
    expect((node as Error).message).toBe(message);
  });

  it('damaged, hostile and odd files end as in Node', async () => {
    const rgb = readFileSync(`${folder}rgb.dcm`);
    const jpeg = readFileSync(`${folder}jpeg.dcm`);
    const deflated = readFileSync(`${folder}deflated.dcm`);
    const start = jpeg.indexOf(Buffer.from([0xff, 0xd8, 0xff]), 132);
    const frame = jpeg.subarray(start, start + jpeg.readUInt32LE(start - 4));
    const cut = [rgb.subarray(0, 300), rgb.subarray(0, 5000), jpeg.subarray(0, 1500), deflated.subarray(0, -400)];
    const bad = [...cut, ...hostileDicoms(frame).map(([, bytes]) => bytes)];
    for (const bytes of bad) {
      const node = await decodeImage('eye.dcm', bytes).catch((error: Error) => error);
      const { code, message } = await decoded(bytes);
      expect(code, message).toBe('data/image-unreadable');
      expect(message).toMatch(/^\P{Cc}*eye\.dcm\P{Cc}*$/u);
      expect(message).toBe((node as Error).message);
    }
    const implicit = readFileSync(`${folder}implicit.dcm`);
    const progressive = await sharp(`${folder}eye.png`).jpeg({ progressive: true }).toBuffer();
    for (const [what, bytes] of Object.entries(oddDicoms(frame, progressive, implicit))) {
      expect([(await decoded(bytes)).message, what]).toEqual([undefined, what]);
    }
  });
});
