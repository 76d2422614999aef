/** Tier: no adapter. Reading IDRiD's folders, at any nesting and with files missing. */
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readIdrid, scanIdrid } from './idrid.ts';
import {
  imagePathA,
  imagePathB,
  labelsCsv,
  labelsPath,
  maskPath,
  put,
  SMALL_SET,
  tiffBytes,
  tinyFundus,
  tinyMask,
  writeTinyIdrid,
} from '../testsupport.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-idrid-'));
  await writeTinyIdrid(root);
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function problems(): Promise<{ code: string; message: string }[]> {
  return (await scanIdrid(root)).problems.map(({ code, message }) => ({ code, message }));
}

describe('readIdrid', () => {
  it('B22: follows symbolic links, each folder once, and names one that leads nowhere', async () => {
    const linked = await mkdtemp(join(tmpdir(), 'gmtl-linked-'));
    for (const part of ['A. Segmentation', 'B. Disease Grading']) await symlink(join(root, part), join(linked, part));
    await symlink(linked, join(linked, 'B. Disease Grading', 'loop'));
    expect((await readIdrid(linked)).map(({ id }) => id)).toEqual((await readIdrid(root)).map(({ id }) => id));
    await rm(join(linked, 'B. Disease Grading', 'loop'));
    await rm(labelsPath(root, 'train'));
    await symlink(join(root, 'nowhere.csv'), labelsPath(root, 'train'));
    expect((await problems())[0]).toMatchObject({
      code: 'data/dangling-link',
      message: expect.stringContaining('Training Labels.csv'),
    });
    await rm(linked, { recursive: true });
  });

  it('B24: reads tables with semicolons, tabs and in UTF-16, and names a broken one alone, in printable characters', async () => {
    const path = labelsPath(root, 'train');
    const text = await readFile(path, 'utf8');
    const grades = (await readIdrid(root)).map(({ retinopathy }) => retinopathy);
    const utf16 = Buffer.from(`\uFEFF${text}`, 'utf16le');
    for (const table of [text.replaceAll(',', ';'), text.replaceAll(',', '\t'), utf16, Buffer.from(utf16).swap16()]) {
      await writeFile(path, table);
      expect((await readIdrid(root)).map(({ retinopathy }) => retinopathy)).toEqual(grades);
    }
    await writeFile(path, `\u0007name|grade\nIDRiD_001|2\n`);
    const [only, ...others] = await problems();
    expect(others).toEqual([]);
    expect(only).toMatchObject({ code: 'data/csv-columns', message: expect.stringContaining('\\u0007name|grade') });
  });

  it('B19: notes pictures that state an EXIF orientation', async () => {
    const path = imagePathB(root, 'train', 1);
    await writeFile(
      path,
      await sharp(await readFile(path))
        .withMetadata({ orientation: 3 })
        .jpeg()
        .toBuffer(),
    );
    expect((await scanIdrid(root)).notes).toEqual([
      expect.stringMatching(/1 image\(s\) state an EXIF orientation \(B\/train\/IDRiD_001\)/),
    ]);
  });

  it('reads both parts, keyed by part and split where numbering restarts', async () => {
    const items = await readIdrid(root);
    expect(items.map((item) => item.id)).toEqual([
      'A/train/IDRiD_01',
      'A/train/IDRiD_02',
      'A/train/IDRiD_03',
      'A/test/IDRiD_04',
      'B/train/IDRiD_001',
      'B/train/IDRiD_002',
      'B/train/IDRiD_003',
      'B/train/IDRiD_004',
      'B/test/IDRiD_001',
    ]);
    const segmented = items[0];
    expect(segmented).toMatchObject({
      task: 'segmentation',
      retinopathy: null,
      edema: null,
      imagePath: imagePathA(root, 'train', 1),
    });
    // An absent file means that the structure is absent.
    expect(segmented.maskPaths).toEqual({
      MA: maskPath(root, 'train', 1, 'MA'),
      HE: null,
      EX: maskPath(root, 'train', 1, 'EX'),
      SE: null,
      OD: maskPath(root, 'train', 1, 'OD'),
    });
    expect(items[6]).toMatchObject({ task: 'classification', maskPaths: null, retinopathy: 4, edema: 2 });
    expect(items[8]).toMatchObject({ split: 'test', retinopathy: 3, edema: 2, imagePath: imagePathB(root, 'test', 1) });
  });

  it('finds folders that are nested twice, and skips hidden and __MACOSX files', async () => {
    const before = await readIdrid(root);
    await rename(join(root, 'A. Segmentation'), join(root, 'inner'));
    await put(join(root, 'A. Segmentation', 'placeholder.txt'), '');
    await rename(join(root, 'inner'), join(root, 'A. Segmentation', 'A. Segmentation'));
    await put(join(root, '__MACOSX', 'A. Segmentation', '1. Original Images', 'a. Training Set', 'IDRiD_01.jpg'), 'x');
    await put(imagePathB(root, 'train', 9).replace('IDRiD_009', '._IDRiD_001'), 'x');
    const after = await readIdrid(root);
    expect(after.map((item) => item.id)).toEqual(before.map((item) => item.id));
    expect(after[0].imagePath).toContain(join('A. Segmentation', 'A. Segmentation'));
  });

  it('reads a single part, also when its own folder is given', async () => {
    expect(await readIdrid(join(root, 'A. Segmentation'))).toHaveLength(4);
    expect(await readIdrid(join(root, 'B. Disease Grading'))).toHaveLength(5);
  });

  it('leaves localization tables and licences aside', async () => {
    await put(join(root, 'C. Localization', '2. Groundtruths', 'od.csv'), 'Image No,X- Coordinate\r\nIDRiD_001,1\r\n');
    await put(join(root, 'B. Disease Grading', 'LICENSE.txt'), 'CC BY');
    const scan = await scanIdrid(root);
    expect(scan.problems).toEqual([]);
    expect(scan.unused.map((file) => file.reason)).toEqual(['not an image', 'part C (localization) is not used']);
  });

  it('names a row without image by file and line', async () => {
    await writeFile(labelsPath(root, 'train'), labelsCsv([...SMALL_SET.gradesTrain, [1, 0]]));
    expect(await problems()).toEqual([
      {
        code: 'data/row-without-image',
        message: expect.stringMatching(/Training Labels\.csv, line 6: there is no image IDRiD_005/),
      },
    ]);
  });

  it('names an image without row', async () => {
    await put(imagePathB(root, 'train', 5), await tinyFundus(77));
    expect(await problems()).toEqual([
      {
        code: 'data/image-without-row',
        message: expect.stringMatching(/IDRiD_005\.jpg has no valid row in .*Training Labels\.csv/),
      },
    ]);
  });

  it('names a grade out of range and the image it leaves ungraded', async () => {
    await writeFile(labelsPath(root, 'test'), labelsCsv([[7, 2]]));
    expect((await problems()).map((problem) => problem.code)).toEqual(['data/csv-grade', 'data/image-without-row']);
    await expect(readIdrid(root)).rejects.toMatchObject({
      code: 'data/csv-grade',
      message: expect.stringMatching(/has 2 problems:\n.*"7"/s),
    });
  });

  it('names a mask without image', async () => {
    await put(maskPath(root, 'test', 9, 'HE'), tinyMask(1, 1, 2, 2));
    expect(await problems()).toEqual([
      {
        code: 'data/mask-without-image',
        message: expect.stringMatching(/IDRiD_09_HE\.tif has no image IDRiD_09 among part A's testing images/),
      },
    ]);
  });

  it('names a mask of another size than its image', async () => {
    await writeFile(
      maskPath(root, 'train', 2, 'EX'),
      tiffBytes({ width: 8, height: 4, values: Array(32).fill(0), bits: 1, photometric: 3 }),
    );
    expect(await problems()).toEqual([
      {
        code: 'data/mask-size',
        message: expect.stringMatching(/IDRiD_02_EX\.tif is 8x4, its image .*IDRiD_02\.jpg 96x64/),
      },
    ]);
  });

  it('names an image without any mask, a duplicate, and a file that is not an image', async () => {
    for (const structure of ['MA', 'EX', 'OD'] as const) await rm(maskPath(root, 'train', 3, structure));
    await put(join(root, 'copy', imagePathA('', 'train', 1)), await tinyFundus(1));
    await writeFile(imagePathB(root, 'test', 1), 'no image');
    const found = await problems();
    expect(found.map((problem) => problem.code).sort()).toEqual([
      'data/duplicate-file',
      'data/image-unreadable',
      'data/image-without-masks',
    ]);
  });

  it('names a grading table that cannot be told, and one that lost its header', async () => {
    await rename(labelsPath(root, 'train'), join(root, 'B. Disease Grading', 'labels.csv'));
    expect((await problems())[0]).toMatchObject({ code: 'data/csv-split' });
    await writeFile(join(root, 'B. Disease Grading', 'labels.csv'), 'IDRiD_001,0,0\n');
    expect((await problems())[0]).toMatchObject({ code: 'data/csv-columns' });
  });

  it('refuses tables without their images, an empty folder and a missing one', async () => {
    await rm(join(root, 'B. Disease Grading', '1. Original Images'), { recursive: true });
    expect((await problems()).map((problem) => problem.message)).toEqual([
      expect.stringMatching(/grades 4 images, but there is no part B training image/),
      expect.stringMatching(/grades 1 images, but there is no part B testing image/),
    ]);
    await expect(readIdrid(await mkdtemp(join(root, 'empty-')))).rejects.toMatchObject({ code: 'data/no-images' });
    await expect(readIdrid(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'data/no-folder' });
  });
});
