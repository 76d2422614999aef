/** Tier: no adapter, slow. The synthetic set in the layout of IDRiD. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readIdrid } from '../sets/idrid.ts';
import { generateSyntheticIdrid } from './index.ts';

const small = { seed: 3, size: 64, segmentationTrain: 3, segmentationTest: 2, gradingTrain: 6, gradingTest: 5 };

let folder: string;
let first: string;
const calls: [number, number][] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gmtl-synth-'));
  first = join(folder, 'new', 'first');
  await generateSyntheticIdrid({ ...small, directory: first, onProgress: (done, total) => calls.push([done, total]) });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function filesOf(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .split(sep)
        .join('/'),
    )
    .sort();
}

describe('generateSyntheticIdrid', () => {
  it("uses IDRiD's folder and file names", async () => {
    const files = await filesOf(first);
    const optional = /_SE\.tif$/;
    expect(files.filter((file) => !optional.test(file))).toEqual(
      [
        ...['IDRiD_01', 'IDRiD_02', 'IDRiD_03'].map((name) => ({ half: 'a. Training Set', name })),
        ...['IDRiD_04', 'IDRiD_05'].map((name) => ({ half: 'b. Testing Set', name })),
      ]
        .flatMap(({ half, name }) => [
          `A. Segmentation/1. Original Images/${half}/${name}.jpg`,
          ...['1. Microaneurysms/_MA', '2. Haemorrhages/_HE', '3. Hard Exudates/_EX', '5. Optic Disc/_OD'].map(
            (kind) => `A. Segmentation/2. All Segmentation Groundtruths/${half}/${kind.replace('/', `/${name}`)}.tif`,
          ),
        ])
        .concat(
          [1, 2, 3, 4, 5, 6].map((n) => `B. Disease Grading/1. Original Images/a. Training Set/IDRiD_00${n}.jpg`),
          [1, 2, 3, 4, 5].map((n) => `B. Disease Grading/1. Original Images/b. Testing Set/IDRiD_00${n}.jpg`),
          'B. Disease Grading/2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv',
          'B. Disease Grading/2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv',
          'synthetic.json',
        )
        .sort(),
    );
    const soft = files.filter((file) => optional.test(file)).length;
    expect(soft).toBeGreaterThan(0);
    expect(soft).toBeLessThan(5);
  });

  it('writes the label tables with the official quirks', async () => {
    const tables = join(first, 'B. Disease Grading', '2. Groundtruths');
    const train = await readFile(join(tables, 'a. IDRiD_Disease Grading_Training Labels.csv'), 'utf8');
    const test = await readFile(join(tables, 'b. IDRiD_Disease Grading_Testing Labels.csv'), 'utf8');
    expect(train).toMatch(
      /^Image name,Retinopathy grade,Risk of macular edema ,{9}\r\n(IDRiD_00\d,[0-4],[0-2],{9}\r\n){6}$/,
    );
    expect(test).toMatch(/^Image name,Retinopathy grade,Risk of macular edema \r\n(IDRiD_00\d,[0-4],[0-2]\r\n){5}$/);
  });

  it('writes 1-bit masks of the size of their images, none empty', async () => {
    for (const file of (await filesOf(first)).filter((name) => name.endsWith('.tif'))) {
      const { data, info } = await sharp(join(first, file)).raw().toBuffer({ resolveWithObject: true });
      expect([file, info.width, info.height]).toEqual([file, 96, 64]);
      expect((await sharp(join(first, file)).metadata()).bitsPerSample).toBe(1);
      expect([...new Set(data)].sort()).toEqual([0, 255]);
    }
  });

  it("is read without complaint by the reader of IDRiD's layout", async () => {
    const items = await readIdrid(first);
    expect(items.filter(({ part, split }) => part === 'A' && split === 'train')).toHaveLength(3);
    expect(items.filter(({ part, split }) => part === 'A' && split === 'test')).toHaveLength(2);
    expect(items.filter(({ part, split }) => part === 'B' && split === 'train')).toHaveLength(6);
    expect(items.filter(({ part, split }) => part === 'B' && split === 'test')).toHaveLength(5);
  });

  it('reports progress after each picture', () => {
    // Of 16 images 14 are drawn: two eyes of part A stand in part B too.
    expect(calls).toEqual(Array.from({ length: 14 }, (_, i) => [i + 1, 14]));
  });

  it('shows eyes of part A in part B of the same half, as IDRiD does, and none across halves', async () => {
    const items = await readIdrid(first);
    const bytes = new Map<string, typeof items>();
    for (const item of items) {
      const key = (await readFile(item.imagePath)).toString('base64');
      bytes.set(key, [...(bytes.get(key) ?? []), item]);
    }
    const shared = [...bytes.values()].filter((group) => group.length > 1);
    expect(shared).toHaveLength(2);
    for (const group of shared) {
      expect(group.map(({ part }) => part).sort()).toEqual(['A', 'B']);
      expect(group[0].split).toBe(group[1].split);
      // Masks exist only for eyes with lesions.
      expect(group.find(({ part }) => part === 'B')!.retinopathy).toBeGreaterThanOrEqual(2);
    }
  });

  it('gives byte-identical files for the same seed and others for another', async () => {
    const second = join(folder, 'second');
    const third = join(folder, 'third');
    await generateSyntheticIdrid({ ...small, directory: second });
    await generateSyntheticIdrid({ ...small, seed: 4, directory: third });
    const files = await filesOf(first);
    expect(await filesOf(second)).toEqual(files);
    for (const file of files) {
      expect((await readFile(join(second, file))).equals(await readFile(join(first, file))), file).toBe(true);
    }
    for (const file of files.filter((name) => name.endsWith('.jpg'))) {
      expect((await readFile(join(third, file))).equals(await readFile(join(first, file))), file).toBe(false);
    }
  });

  it('keeps a complete set with the same options and says what it holds', async () => {
    const before = await stat(join(first, 'synthetic.json'));
    let progressed = false;
    const result = await generateSyntheticIdrid({ ...small, directory: first, onProgress: () => (progressed = true) });
    const masks = (await filesOf(first)).filter((file) => file.endsWith('.tif')).length;
    expect(result).toEqual({ images: 16, masks, directory: first });
    expect(progressed).toBe(false);
    expect((await stat(join(first, 'synthetic.json'))).ino).toBe(before.ino);
  });

  it('refuses a directory with a set of other options, naming them', async () => {
    await expect(generateSyntheticIdrid({ ...small, seed: 9, size: 72, directory: first })).rejects.toMatchObject({
      code: 'data/synthetic-directory',
      message: expect.stringContaining('seed 3 instead of 9, size 64 instead of 72'),
    });
  });

  it('refuses a directory with other content and leaves it alone', async () => {
    const other = join(folder, 'other');
    await mkdir(other);
    await writeFile(join(other, 'thesis.txt'), 'precious');
    await expect(generateSyntheticIdrid({ ...small, directory: other })).rejects.toMatchObject({
      code: 'data/synthetic-directory',
    });
    expect(await filesOf(other)).toEqual(['thesis.txt']);
    await expect(generateSyntheticIdrid({ ...small, directory: join(other, 'thesis.txt') })).rejects.toMatchObject({
      code: 'data/synthetic-directory',
      message: expect.stringContaining('it is a file'),
    });
  });

  const tiny = { size: 64, segmentationTrain: 1, segmentationTest: 0, gradingTrain: 1, gradingTest: 0 };

  it('refuses a set that has lost files', async () => {
    const directory = join(folder, 'lossy');
    await generateSyntheticIdrid({ ...tiny, directory });
    await rm(join(directory, (await filesOf(directory)).find((file) => file.endsWith('_OD.tif'))!));
    await expect(generateSyntheticIdrid({ ...tiny, directory })).rejects.toThrow(/lost files.*masks/);
  });

  it('fills an empty directory', async () => {
    const directory = join(folder, 'empty');
    await mkdir(directory);
    expect((await generateSyntheticIdrid({ ...tiny, directory })).images).toBe(2);
    expect(await readdir(directory)).toContain('synthetic.json');
  });

  it('leaves nothing behind when it is stopped half way', async () => {
    const parent = join(folder, 'stopped');
    const stop = (): never => {
      throw new Error('stopped by the test');
    };
    await expect(
      generateSyntheticIdrid({ ...small, directory: join(parent, 'set'), onProgress: stop }),
    ).rejects.toThrow('stopped by the test');
    expect(await readdir(parent)).toEqual([]);
  });

  it.each([
    [{ size: 63 }, /size/],
    [{ size: 100.5 }, /size/],
    [{ gradingTest: -1 }, /gradingTest/],
  ])('refuses %j', async (options, message) => {
    const attempt = generateSyntheticIdrid({ directory: join(folder, 'never'), ...options });
    await expect(attempt).rejects.toMatchObject({
      code: 'data/synthetic-options',
      message: expect.stringMatching(message),
    });
  });
});
