/** Tier: no adapter. Copies of one picture are found and share their labels. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprintFiles } from './fingerprintFiles.ts';
import { joinLabels } from './join.ts';
import { sameFrame } from './sameFrame.ts';
import { TINY_HEIGHT, TINY_WIDTH, tinyFundus } from '../testsupport.ts';
import { type DatasetItem, noMasks } from '../../domain.ts';

let root = '';
const at = (name: string) => join(root, name);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-join-'));
  const original = await tinyFundus(1);
  await writeFile(at('eye.jpg'), original);
  await writeFile(at('copy.jpg'), original);
  await writeFile(at('other.jpg'), await tinyFundus(2));
  // Quality 70 changes so small and blotchy a picture by more than the limit, which real sizes stay below even at 30.
  await sharp(original).jpeg({ quality: 90 }).toFile(at('again.jpg'));
  await sharp(original)
    .resize(2 * TINY_WIDTH, 2 * TINY_HEIGHT)
    .jpeg()
    .toFile(at('large.jpg'));
  // The same eye one pixel further left: its masks would lie beside the lesions.
  await sharp(original)
    .extract({ left: 1, top: 0, width: TINY_WIDTH - 1, height: TINY_HEIGHT })
    .extend({ right: 1, background: '#000' })
    .jpeg({ quality: 95 })
    .toFile(at('moved.jpg'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

const masks = { ...noMasks(), MA: '/ma.tif', OD: '/od.tif' };
const masked = (file: string, more: Partial<DatasetItem> = {}): DatasetItem => ({
  id: `A/train/${file}`,
  part: 'A',
  split: 'train',
  task: 'segmentation',
  imagePath: at(file),
  maskPaths: masks,
  retinopathy: null,
  edema: null,
  ...more,
});
const graded = (file: string, retinopathy: number, more: Partial<DatasetItem> = {}): DatasetItem => ({
  ...masked(file),
  id: `B/train/${file}`,
  part: 'B',
  task: 'classification',
  maskPaths: null,
  retinopathy,
  edema: 1,
  ...more,
});
async function joined(...items: DatasetItem[]) {
  const fingerprints = await fingerprintFiles(
    items.map((item) => item.imagePath),
    { root: null },
  );
  return joinLabels(items, fingerprints);
}

describe('joinLabels', () => {
  it('gives copies in one split the labels of both, and others nothing', async () => {
    const list = [masked('eye.jpg'), graded('copy.jpg', 3), graded('again.jpg', 3), graded('other.jpg', 0)];
    const { items, notes } = await joined(...list);
    expect(items[0]).toEqual({ ...list[0], retinopathy: 3, edema: 1 });
    expect(items[1]).toEqual({ ...list[1], maskPaths: masks });
    expect(items[2]).toEqual({ ...list[2], maskPaths: masks });
    expect(items[3]).toBe(list[3]);
    expect(notes).toEqual(['train: 1 image(s) got grades and 2 got masks from a copy of the same picture.']);
  });

  it('never lets a label cross from one split to another', async () => {
    for (const split of ['val', 'test'] as const) {
      const list = [masked('eye.jpg'), graded('copy.jpg', 3, { split })];
      expect(await joined(...list)).toEqual({ items: list, notes: [] });
    }
  });

  it('lends no masks to a frame of another size, but grades', async () => {
    const { items, notes } = await joined(masked('eye.jpg'), graded('large.jpg', 2));
    expect([items[0].retinopathy, items[1].maskPaths]).toEqual([2, null]);
    expect(notes[0]).toMatch(/1 kept none, as the masked copy's frame differs/);
  });

  it('lends no grade that copies contradict each other about', async () => {
    const { items, notes } = await joined(masked('eye.jpg'), graded('copy.jpg', 2), graded('again.jpg', 3));
    expect([items[0].retinopathy, items[0].edema]).toEqual([null, 1]);
    expect(items.slice(1).map((item) => item.retinopathy)).toEqual([2, 3]);
    expect(notes[0]).toMatch(/contradict each other about retinopathy \(B\/train\/copy\.jpg grade 2, .* grade 3\)/);
  });
});

describe('sameFrame', () => {
  it('tells re-encoded frames from moved, resized and other ones', async () => {
    const compared = await Promise.all(
      ['copy.jpg', 'again.jpg', 'moved.jpg', 'large.jpg', 'other.jpg'].map((file) =>
        sameFrame(at('eye.jpg'), at(file)),
      ),
    );
    expect(compared).toEqual([true, true, false, false, false]);
    await expect(sameFrame(at('eye.jpg'), at('none.jpg'))).rejects.toMatchObject({ code: 'data/image-unreadable' });
  });
});
