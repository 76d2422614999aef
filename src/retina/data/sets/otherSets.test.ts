/** Tier: no adapter. Other published layouts, each as a small made-up example: what is read, and what is refused. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OtherLayout, readOtherLayout } from './otherSets.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gmtl-sets-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Writes files by path below the root; pictures are not opened by what lists them. */
function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
const pictures = (...paths: readonly string[]) => Object.fromEntries(paths.map((path) => [path, 'a picture']));

/** Items as `id split task grade edema masks`. */
async function read(layout: OtherLayout): Promise<{ items: string[]; notes: readonly string[]; splitsFixed: boolean }> {
  const { items, notes, splitsFixed } = await readOtherLayout(root, layout);
  const lines = items.map(({ id, split, task, retinopathy, edema, maskPaths }) =>
    [
      id,
      split,
      task[0],
      retinopathy ?? '-',
      edema ?? '-',
      ...Object.entries(maskPaths ?? {}).flatMap(([one, path]) => (path ? [one] : [])),
    ].join(' '),
  );
  return { items: lines, notes, splitsFixed };
}

describe('gmtl data prepare --layout', () => {
  it('folders: a folder a grade, splits above them', async () => {
    write(pictures('train/0/a.jpg', 'train/4/b.png', 'val/1/c.jpg', 'test/2/d.jpg', 'test/other/e.jpg'));
    expect(await read('folders')).toEqual({
      items: [
        'folders/test/2/d test c 2 -',
        'folders/train/0/a train c 0 -',
        'folders/train/4/b train c 4 -',
        'folders/val/1/c val c 1 -',
      ],
      notes: ['1 picture(s) have neither a row nor a mask. They are left out.'],
      splitsFixed: true,
    });
  });

  it('table: path, grades and splits', async () => {
    write({
      ...pictures('x/a.jpg', 'y/a.jpg', 'b.dcm'),
      'labels.csv': 'path,retinopathy,edema,split\nx/a.jpg,3,2,train\ny/a.jpg,0,,test\nb.dcm,,1,\n',
    });
    expect((await read('table')).items).toEqual([
      'table/b train c - 1',
      'table/x/a train c 3 2',
      'table/y/a test c 0 -',
    ]);
  });

  it('masks: folders of PNG masks beside the pictures', async () => {
    write(pictures('images/a.jpg', 'images/b.jpg', 'MA/a.png', 'OD/a.png', 'EX/b.png', 'IRMA/a.png'));
    expect((await read('masks')).items).toEqual(['masks/images/a train s - - MA OD', 'masks/images/b train s - - EX']);
  });

  it('eyepacs: image and level', async () => {
    write({
      ...pictures('train/10_left.jpeg', 'train/10_right.jpeg', 'test/1_left.jpeg'),
      'trainLabels.csv': 'image,level\n10_left,0\n10_right,4\n',
      'retinopathy_solution.csv': 'image,level,Usage\n1_left,2,Private\n',
    });
    expect((await read('eyepacs')).items).toEqual([
      'eyepacs/test/1_left test c 2 -',
      'eyepacs/train/10_left train c 0 -',
      'eyepacs/train/10_right train c 4 -',
    ]);
  });

  it('aptos: id_code and diagnosis', async () => {
    write({ ...pictures('train_images/000c1434d8d7.png'), 'train.csv': 'id_code,diagnosis\n000c1434d8d7,2\n' });
    expect((await read('aptos')).items).toEqual(['aptos/train_images/000c1434d8d7 train c 2 -']);
  });

  it('messidor-2: adjudicated grades; ungradable pictures are left out', async () => {
    write({
      ...pictures('IMAGES/20051020_43808_0100_PP.png', 'IMAGES/IM000149.JPG'),
      'messidor_data.csv':
        'image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable\n20051020_43808_0100_PP.png,1,1,1\nIM000149.jpg,,,0\n',
    });
    const { items, notes } = await read('messidor-2');
    expect(items).toEqual(['messidor-2/IMAGES/20051020_43808_0100_PP train c 1 -']);
    expect(notes).toEqual([expect.stringContaining('1 picture(s) have no grade')]);
  });

  it('ddr: grades in text files, lesions of the same pictures elsewhere', async () => {
    write({
      ...pictures(
        'DR_grading/train/007-0004-000.jpg',
        'DR_grading/train/007-1774-100.jpg',
        'DR_grading/valid/007-9.jpg',
        'DR_grading/test/007-8.jpg',
      ),
      ...pictures(
        'lesion_segmentation/train/image/007-1774-100.jpg',
        'lesion_segmentation/train/label/EX/007-1774-100.tif',
        'lesion_segmentation/train/label/MA/007-1774-100.tif',
      ),
      'DR_grading/train.txt': '007-0004-000.jpg 0\n007-1774-100.jpg 2\n',
      'DR_grading/valid.txt': '007-9.jpg 5\n',
      'DR_grading/test.txt': '007-8.jpg 4\n',
    });
    const { items, notes } = await read('ddr');
    expect(items).toEqual([
      'ddr/DR_grading/test/007-8 test c 4 -',
      'ddr/DR_grading/train/007-0004-000 train c 0 -',
      'ddr/DR_grading/train/007-1774-100 train c 2 -',
      'ddr/lesion_segmentation/train/image/007-1774-100 train s - - MA EX',
    ]);
    expect(notes).toEqual([expect.stringContaining('1 picture(s) have no grade')]);
  });

  it('fgadr: grades without a header and folders of masks', async () => {
    write({
      ...pictures('Original_Images/0000_1.png', 'Original_Images/0001_1.png', 'Microaneurysms_Masks/0000_1.png'),
      ...pictures(
        'Hemohedge_Masks/0000_1.png',
        'HardExudate_Masks/0000_1.png',
        'SoftExudate_Masks/0000_1.png',
        'IRMA_Masks/0000_1.png',
      ),
      'DR_Seg_Grading_Label.csv': '0000_1.png,3\n0001_1.png,1\n',
    });
    expect((await read('fgadr')).items).toEqual([
      'fgadr/Original_Images/0000_1 train s 3 - MA HE EX SE',
      'fgadr/Original_Images/0001_1 train c 1 -',
    ]);
  });

  const refused: readonly [string, OtherLayout, Readonly<Record<string, string>>, string, string][] = [
    [
      'a grade out of range',
      'aptos',
      { 'train.csv': 'id_code,diagnosis\na,0\na,7\n', 'a.png': '' },
      'data/csv-grade',
      'train.csv, line 3: the grade of retinopathy is "7"',
    ],
    [
      'a row without a picture',
      'aptos',
      { 'train.csv': 'id_code,diagnosis\nb,0\n', 'a.png': '' },
      'data/row-without-image',
      'line 2: there is no picture b',
    ],
    [
      'a table without its columns',
      'aptos',
      { 'train.csv': 'id,grade\na,0\n', 'a.png': '' },
      'data/csv-read',
      'no column id_code (it has id, grade)',
    ],
    ['no table', 'eyepacs', { 'a.png': '' }, 'data/no-table', 'trainLabels'],
    ['no grades and no masks', 'folders', { 'a.png': '' }, 'data/no-images', 'a folder for each grade'],
    [
      'two pictures of a name',
      'eyepacs',
      { 'trainLabels.csv': 'image,level\na,0\n', 'a.png': '', 'a.jpg': '' },
      'data/duplicate-file',
      'Remove one',
    ],
    [
      'an unknown split',
      'table',
      { 'l.csv': 'path,retinopathy,split\na.png,0,dev\n', 'a.png': '' },
      'data/csv-split',
      'the split is "dev"',
    ],
    [
      'a broken table',
      'table',
      { 'l.csv': 'path,retinopathy\n"a.png,0\n', 'a.png': '' },
      'data/csv-read',
      'cannot be read as a table',
    ],
  ];
  it.each(refused)('refuses %s', async (_, layout, files, code, message) => {
    write(files);
    await expect(readOtherLayout(root, layout)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });
});
