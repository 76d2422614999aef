/** Tier: no adapter. A data set's fingerprint follows its content, labels and splits, not its place. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDataset } from './dataset.ts';
import { countItems, datasetFingerprint, summarizeDataset } from './datasetFingerprint.ts';
import { maskPath, put, tinyMask, writeTinyIdrid } from '../testsupport.ts';
import type { DatasetItem } from '../../domain.ts';

let root = '';
const open = async (name: string) =>
  (await openDataset(join(root, name), { valFraction: 0.3, cacheFolder: null })).items;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-print-'));
  await writeTinyIdrid(join(root, 'set'));
  await cp(join(root, 'set'), join(root, 'moved'), { recursive: true });
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

it('is the same for another place and order, and another for any other content, label or split', async () => {
  const items = await open('set');
  const print = await datasetFingerprint(items);
  expect(print).toMatch(/^[0-9a-f]{64}$/);
  expect(await datasetFingerprint([...items].reverse())).toBe(print);
  expect(await datasetFingerprint(await open('moved'))).toBe(print);
  const changed = (index: number, change: Partial<DatasetItem>) =>
    datasetFingerprint(items.map((item, at) => (at === index ? { ...item, ...change } : item)));
  const graded = items.findIndex((item) => item.retinopathy === 2);
  const others = [
    await changed(graded, { retinopathy: 1 }),
    await changed(graded, { edema: 0 }),
    await changed(graded, { split: 'test' }),
    await changed(0, { maskPaths: null }),
    await datasetFingerprint(items.slice(1)),
  ];
  await put(maskPath(join(root, 'moved'), 'train', 1, 'MA'), tinyMask(41, 30, 2, 2));
  others.push(await datasetFingerprint(await open('moved')));
  expect(new Set([print, ...others]).size).toBe(7);
  await expect(changed(0, { imagePath: join(root, 'none.jpg') })).rejects.toMatchObject({
    code: 'data/image-unreadable',
  });
});

it('counts splits, tasks, grades and masks', async () => {
  const items = await open('set');
  const { counts } = await summarizeDataset(items);
  expect(counts).toEqual(countItems(items));
  expect(counts.test).toEqual({
    images: 2,
    segmentation: 1,
    classification: 1,
    retinopathy: [0, 0, 0, 1, 0],
    edema: [0, 0, 1],
    masks: { MA: 1, HE: 0, EX: 1, SE: 0, OD: 1 },
  });
  const outside = [counts.train, counts.val];
  expect(outside.reduce((sum, { images }) => sum + images, 0)).toBe(7);
  expect([0, 1, 2, 3, 4].map((grade) => outside.reduce((sum, { retinopathy }) => sum + retinopathy[grade], 0))).toEqual(
    [2, 0, 1, 0, 1],
  );
});
