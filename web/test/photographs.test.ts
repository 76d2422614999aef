/**
 * Tier: headless browser. Real photographs are prepared in a page as in Node: the same frame, the same crop to the pixel, the network's input within what
 * docs/browser.md states. Opt-in, since none come with the project: GMTL_PHOTOGRAPHS names a folder; its first ten are taken.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_CLAHE } from '../../src/retina/data/pictures/claheOptions.ts';
import { decodeImage, preprocessImage } from '../../src/retina/data/pictures/preprocess.ts';
import { DEFAULT_PREPROCESS } from '../../src/retina/data/pictures/sample.ts';
import { noBrowser, serveModule, usePages } from './browser.ts';

const folder = process.env.GMTL_PHOTOGRAPHS;
const photographs = folder
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:jpe?g|png)$/i.test(name))
      .sort()
      .slice(0, 10)
      .map((name) => join(folder, name))
  : [];

/** How a run may ask for pictures, and how far an input byte may be off (docs/browser.md). */
const WAYS = [
  { name: 'plain, shrunk', options: { ...DEFAULT_PREPROCESS, size: 256 }, levels: 0 },
  { name: 'Ben Graham', options: { ...DEFAULT_PREPROCESS, size: 256, benGraham: true }, levels: 0 },
  { name: 'CLAHE', options: { ...DEFAULT_PREPROCESS, size: 256, clahe: DEFAULT_CLAHE }, levels: 4 },
];

/** What the screening page prepares a photograph with, in each of the ways. */
const IN_THE_PAGE = `
import { preparePicture } from '../../src/retina/data/pictures/plainTools.ts';
import { decodePicture } from '../screening/decode.ts';
export async function preparedHere(url, name, ways) {
  const image = await decodePicture(await (await fetch(url)).blob(), name);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(image.data)));
  const samples = [];
  for (const options of ways) {
    const { box, image: input } = await preparePicture(image, name, options);
    samples.push({ box, image: Array.from(input) });
  }
  const decoded = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { frame: [image.width, image.height], decoded, samples };
}`;

interface Prepared {
  readonly frame: readonly [width: number, height: number];
  /** SHA-256 of the decoded frame, in hexadecimal. */
  readonly decoded: string;
  readonly samples: readonly { readonly box: object; readonly image: readonly number[] }[];
}

describe.skipIf(noBrowser !== null || photographs.length === 0)('real photographs', () => {
  const pages = usePages();
  let page: Page;
  beforeAll(async () => {
    const opened = await pages.open('kernels.html');
    page = opened.page;
    await serveModule(opened.context, 'prepared.js', IN_THE_PAGE);
    await opened.context.route('**/photograph-*', (route) =>
      route.fulfill({ body: readFileSync(photographs[Number(route.request().url().split('-').at(-1))]) }),
    );
  });

  it.each(photographs.map((path, index) => ({ path, index, name: basename(path) })))(
    '$name is prepared in the page as in Node',
    async ({ path, index, name }) => {
      const ways = JSON.stringify(WAYS.map(({ options }) => options));
      const call = `import('/prepared.js').then((m) => m.preparedHere('/photograph-${index}', ${JSON.stringify(name)}, ${ways}))`;
      const there = (await page.evaluate(call)) as Prepared;
      const image = await decodeImage(path);
      const found: string[] = [];
      expect(there.frame).toEqual([image.width, image.height]);
      const same = createHash('sha256').update(image.data).digest('hex') === there.decoded;
      found.push(`frame ${same ? 'the same bytes' : 'other bytes'}`);
      for (const [way, { name: label, options, levels }] of WAYS.entries()) {
        const wanted = await preprocessImage(image, name, options);
        const { box, image: input } = there.samples[way];
        expect(box, label).toEqual(wanted.box);
        const off = wanted.image.map((value, at) => Math.abs(value - input[at]));
        const most = off.reduce((a, b) => Math.max(a, b), 0);
        found.push(`${label}: ${off.filter((by) => by > 0).length} of ${off.length} bytes off, by ${most} at most`);
        expect(most, label).toBeLessThanOrEqual(levels + (same ? 0 : 1));
      }
      console.info(`${name}: ${found.join('; ')}`);
    },
    300_000,
  );
});
