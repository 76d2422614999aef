/** Tier: no adapter. What `verifyDataset` finds in damaged, duplicated and leaking sets. */
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  imagePathA,
  imagePathB,
  labelsCsv,
  labelsPath,
  maskPath,
  TINY_HEIGHT,
  TINY_WIDTH,
  tinyMask,
  writeTinyIdrid,
} from '../testsupport.ts';
import { verifyDataset } from './verify.ts';
import { formatVerifyReport } from './verifyText.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-verify-'));
  await writeTinyIdrid(root);
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});
const verify = () => verifyDataset(root, { cacheFolder: null });

describe('verifyDataset', () => {
  it('counts grades and measures masks of a sound set', async () => {
    const result = await verify();
    expect(result.ok).toBe(true);
    expect(result.labels).toEqual([
      { split: 'train', images: 4, retinopathy: [2, 0, 1, 0, 1], edema: [2, 1, 1], unlikely: [] },
      { split: 'test', images: 1, retinopathy: [0, 0, 0, 1, 0], edema: [0, 0, 1], unlikely: [] },
    ]);
    const ma = result.coverage.find((row) => row.split === 'train' && row.structure === 'MA');
    expect(ma).toMatchObject({ images: 3, files: 3, empty: 0, official: 54, pixels: 12 });
    expect(ma?.share).toBeCloseTo(4 / (TINY_WIDTH * TINY_HEIGHT), 9);
    expect(result.coverage.find((row) => row.split === 'train' && row.structure === 'HE')).toMatchObject({
      files: 0,
      share: 0,
    });
    const report = formatVerifyReport(result);
    expect(report).toMatch(/train\s+4\s+2\s+0\s+1\s+0\s+1\s+2\s+1\s+1\s+official: 413/);
    expect(report).toMatch(/OK: no problems/);
    expect(report).toMatch(/train\s+SE Soft Exudates\s+0\/3\s+26\s+0\s+0\s+0\.000 %/);
    expect(report).toMatch(/B\s+train\s+96x64\s+4\n/);
    expect(result.leaky).toBe(false);
  });

  it('finds leaks, exact and re-encoded, and copies within a split', async () => {
    await copyFile(imagePathA(root, 'test', 4), imagePathB(root, 'train', 1));
    await sharp(imagePathA(root, 'train', 1))
      .jpeg({ quality: 70 })
      .toFile(imagePathB(root, 'test', 1));
    await copyFile(imagePathA(root, 'train', 2), imagePathB(root, 'train', 2));
    const result = await verify();
    const found = result.duplicates.map((pair) => [pair.first.id, pair.second.id, pair.relation, pair.leak]);
    expect(found).toEqual([
      ['A/test/IDRiD_04', 'B/train/IDRiD_001', 'identical', true],
      ['A/train/IDRiD_02', 'B/train/IDRiD_002', 'identical', false],
      ['A/train/IDRiD_01', 'B/test/IDRiD_001', 'similar', true],
    ]);
    expect(result.ok).toBe(false);
    const report = formatVerifyReport(result);
    expect(report).toMatch(/LEAKS: 2 pair/);
    expect(report).toMatch(/NOT OK: 0 problem\(s\), 2 leak\(s\)/);
  });

  it('decodes everything: a truncated image, a mask over the limit, an empty mask', async () => {
    const path = imagePathB(root, 'train', 3);
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length >> 1));
    await writeFile(maskPath(root, 'train', 1, 'EX'), tinyMask(0, 0, TINY_WIDTH, TINY_HEIGHT));
    await writeFile(maskPath(root, 'train', 2, 'EX'), tinyMask(0, 0, 0, 0));
    const result = await verify();
    expect(result.problems.map((problem) => problem.code).sort()).toEqual([
      'data/image-unreadable',
      'data/mask-coverage',
    ]);
    expect(result.coverage.find((row) => row.split === 'train' && row.structure === 'EX')).toMatchObject({
      files: 3,
      empty: 1,
    });
    expect(formatVerifyReport(result)).toMatch(/Problems: 2\n {2}- .*IDRiD_0/);
  });

  it('B17: judges coverage: masks that mark nothing anywhere, and ten times the usual', async () => {
    for (const number of [1, 2, 3]) {
      await writeFile(maskPath(root, 'train', number, 'EX'), tinyMask(0, 0, 0, 0));
      await writeFile(maskPath(root, 'train', number, 'MA'), tinyMask(30, 20, 30, 20));
    }
    const result = await verify();
    expect(result.ok).toBe(false);
    expect(result.problems.map(({ code, message }) => [code, message.slice(0, 40)])).toEqual([
      ['data/masks-large', expect.stringContaining('train: the masks of MA')],
      ['data/masks-empty', expect.stringContaining('train: all 3 masks of EX')],
    ]);
  });

  it('B22: a half that is missing is a problem', async () => {
    await rm(join(root, 'A. Segmentation'), { recursive: true });
    const result = await verify();
    expect(result.problems.map(({ code }) => code)).toEqual(['data/part-missing']);
    expect(formatVerifyReport(result)).toMatch(/no images with masks .* half of the data is missing/);
  });

  it('B43: a black picture, which training refuses, is a problem', async () => {
    const black = sharp({ create: { width: TINY_WIDTH, height: TINY_HEIGHT, channels: 3, background: '#030303' } });
    await writeFile(imagePathB(root, 'train', 1), await black.jpeg().toBuffer());
    await writeFile(imagePathA(root, 'test', 4), await black.jpeg().toBuffer());
    const { ok, problems } = await verify();
    expect(ok).toBe(false);
    expect(problems.map(({ code }) => code)).toEqual(['data/no-field-of-view', 'data/no-field-of-view']);
    expect(problems[0].message).not.toMatch(/switch the field-of-view crop off/);
  });

  it('points out images of an unusual size', async () => {
    await sharp(imagePathB(root, 'train', 1))
      .resize(192, 128)
      .toFile(join(root, 'large.jpg'));
    await rename(join(root, 'large.jpg'), imagePathB(root, 'train', 1));
    const result = await verify();
    expect(result.sizes.filter((size) => size.odd).map(({ width, items }) => [width, items[0].id])).toEqual([
      [192, 'B/train/IDRiD_001'],
    ]);
    expect(formatVerifyReport(result)).toMatch(/192x128\s+1\s+not the usual size: B\/train\/IDRiD_001/);
  });

  it('points out grades that contradict each other', async () => {
    await writeFile(labelsPath(root, 'test'), labelsCsv([[1, 2]]));
    const result = await verify();
    expect(result.ok).toBe(true);
    expect(formatVerifyReport(result)).toMatch(/1 image\(s\) with DR 0 or 1 but DME above 0.*: B\/test\/IDRiD_001/);
  });

  it('refuses a missing source', async () => {
    await expect(verifyDataset(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'data/not-found' });
  });
});
