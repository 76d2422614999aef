/** Tier: no adapter. Opening data sets: fingerprints, validation splits, metadata files. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { drawFundus } from '../synth/fundus.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from './dataset.ts';
import { compareFingerprints } from './fingerprint.ts';
import { fingerprintFiles } from './fingerprintFiles.ts';
import { loadMetadata, type MetadataRow, writeMetadata } from './metadata.ts';
import { carveValidation } from './split.ts';
import { imagePathA, imagePathB, SMALL_SET, tinyFundus, writeTinyIdrid } from '../testsupport.ts';
import { type DatasetItem, noMasks, selectItems } from '../../domain.ts';

let root = '';
let cacheFolder = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-dataset-'));
  cacheFolder = join(root, 'cache');
  await writeTinyIdrid(join(root, 'set'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

describe('fingerprints', () => {
  it('B34: different eyes in dark pictures are not the same, copies of one are, flat pictures only byte by byte', async () => {
    const paths: string[] = [];
    for (let eye = 0; eye < 12; eye++) {
      const { rgb, width, height } = drawFundus(`dark/${eye}`, 200, { retinopathy: 0, edema: 0, softExudates: false });
      const path = join(root, `dark-${eye}.png`);
      const raw = { width, height, channels: 3 } as const;
      await sharp(Buffer.from(rgb.map((value) => Math.round(0.1 * value))), { raw })
        .png()
        .toFile(path);
      paths.push(path);
    }
    const copy = join(root, 'dark-copy.png');
    await sharp(paths[0]).png({ compressionLevel: 1 }).toFile(copy);
    const flat = [join(root, 'flat-1.png'), join(root, 'flat-2.png')];
    for (const [index, path] of flat.entries()) {
      await sharp({ create: { width: 90 + index, height: 60, channels: 3, background: '#020202' } })
        .png()
        .toFile(path);
    }
    const prints = await fingerprintFiles([...paths, copy, ...flat], { root: null });
    const same = prints.flatMap((one, index) =>
      prints
        .slice(0, index)
        .flatMap((other, earlier) => (compareFingerprints(one, other) === null ? [] : [[earlier, index]])),
    );
    expect(same).toEqual([[0, 12]]);
  });

  it('tell the same bytes, the same picture re-encoded or resized, and other pictures', async () => {
    const original = imagePathA(join(root, 'set'), 'train', 1);
    const files = [
      original,
      join(root, 'copy.jpg'),
      join(root, 'again.jpg'),
      join(root, 'big.jpg'),
      join(root, 'other.jpg'),
    ];
    await copyFile(original, files[1]);
    await sharp(original).jpeg({ quality: 70 }).toFile(files[2]);
    await sharp(original).resize(192, 128).jpeg().toFile(files[3]);
    await writeFile(files[4], await tinyFundus(1234));
    const prints = await fingerprintFiles(files, { root: cacheFolder });
    expect(prints.slice(1).map((print) => compareFingerprints(prints[0], print))).toEqual([
      'identical',
      'similar',
      'similar',
      null,
    ]);
    // The stored thumbnails give the same, and a damaged one is made again.
    await writeFile(join(cacheFolder, 'looks-33x32-128', prints[4].sha256), 'damaged');
    expect(await fingerprintFiles(files, { root: cacheFolder })).toEqual(prints);
  });

  it('name a missing file', async () => {
    await expect(fingerprintFiles([join(root, 'none.jpg')], { root: null })).rejects.toMatchObject({
      code: 'data/image-unreadable',
    });
  });
});

/** `count` training images of a grade with made-up hashes. */
function graded(grade: number, count: number): DatasetItem[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `B/train/${grade}-${index}`,
    part: 'B',
    split: 'train',
    task: 'classification',
    imagePath: `/${grade}-${index}.jpg`,
    maskPaths: null,
    retinopathy: grade,
    edema: 0,
  }));
}
const hashesOf = (items: readonly DatasetItem[]) =>
  items.map((item) => ({ sha256: item.imagePath, thumbnail: null, detail: null }));
const options = { valFraction: 0.2, seed: 3, leaks: 'drop' } as const;

describe('carveValidation', () => {
  const items = [...graded(0, 40), ...graded(2, 20), ...graded(4, 10), ...graded(1, 1)];

  it('keeps the grades in proportion, and a stratum of one in training', () => {
    const { items: split } = carveValidation(items, hashesOf(items), options);
    const inVal = (grade: number) => split.filter((item) => item.split === 'val' && item.retinopathy === grade).length;
    expect([0, 1, 2, 4].map(inVal)).toEqual([8, 0, 4, 2]);
  });

  it('depends on seed and content, not on the order of files', () => {
    const val = (list: readonly DatasetItem[], seed: number) =>
      carveValidation(list, hashesOf(list), { ...options, seed })
        .items.filter((item) => item.split === 'val')
        .map((item) => item.id)
        .sort();
    expect(val(items, 3)).toEqual(val([...items].reverse(), 3));
    expect(val(items, 3)).not.toEqual(val(items, 4));
  });

  it('keeps copies of a picture on one side for every seed', () => {
    const twins = graded(0, 10).map(
      (item): DatasetItem => ({
        ...item,
        id: `A${item.id}`,
        task: 'segmentation',
        maskPaths: noMasks(),
        retinopathy: null,
      }),
    );
    const all = [...items, ...twins];
    for (let seed = 0; seed < 10; seed++) {
      const { items: split } = carveValidation(all, hashesOf(all), { ...options, seed });
      const sideOf = new Map<string, string>();
      for (const item of split) {
        expect(sideOf.get(item.imagePath) ?? item.split).toBe(item.split);
        sideOf.set(item.imagePath, item.split);
      }
      expect(split.some((item) => item.split === 'val' && item.task === 'segmentation')).toBe(true);
    }
  });

  it('drops, refuses or keeps training copies of testing images, and never touches the testing image', () => {
    const test: DatasetItem = { ...items[0], id: 'B/test/1', split: 'test' };
    const all = [...items, test];
    const dropped = carveValidation(all, hashesOf(all), options);
    expect(dropped.items.some((item) => item.id === items[0].id)).toBe(false);
    expect(dropped.items.filter((item) => item.split === 'test')).toEqual([test]);
    expect(dropped.notes[0]).toMatch(
      /0-0\.jpg \(training\).*\(testing\) are the same picture: the training copy is left out/,
    );
    expect(() => carveValidation(all, hashesOf(all), { ...options, leaks: 'refuse' })).toThrow(/same picture/);
    expect(carveValidation(all, hashesOf(all), { ...options, leaks: 'keep' }).items).toHaveLength(all.length);
  });

  it('refuses fractions out of range and an empty training split', () => {
    expect(() => carveValidation(items, hashesOf(items), { ...options, valFraction: 0.6 })).toThrow(/from 0 to 0\.5/);
    const test: DatasetItem = { ...items[0], id: 't', split: 'test' };
    expect(() => carveValidation([items[0], test], hashesOf([items[0], test]), options)).toThrow(
      /No classification image is left/,
    );
  });
});

describe('openDataset and metadata', () => {
  it('carves a folder, and a metadata file brings the same items back from another place', async () => {
    const dataset = await openDataset(join(root, 'set'), { valFraction: 0.3, cacheFolder });
    expect(selectItems(dataset, 'test')).toHaveLength(2);
    expect(selectItems(dataset, 'val').length).toBeGreaterThan(0);
    expect(dataset.items).toHaveLength(9);
    const file = join(root, 'elsewhere', 'metadata.json');
    await writeMetadata(file, dataset.items);
    expect((await openDataset(file)).items).toEqual(dataset.items);
    const rows: MetadataRow[] = JSON.parse(await readFile(file, 'utf8'));
    expect(rows[0]).toMatchObject({
      image_path: expect.stringMatching(/^\.\.\/set\/A\. /),
      task_vector: [1, 0],
      mask_paths: { HE: null },
    });
    expect(rows[8]).toMatchObject({ task: 'classification', task_vector: [0, 1], retino_label: 3, edema_label: 2 });
  });

  it('drops a grading image that is a re-encoded testing image', async () => {
    const leaky = join(root, 'leaky');
    await writeTinyIdrid(leaky, SMALL_SET);
    await sharp(imagePathA(leaky, 'test', 4))
      .jpeg({ quality: 75 })
      .toFile(imagePathB(leaky, 'train', 1));
    const dataset = await openDataset(leaky, { cacheFolder: null });
    expect(dataset.items.some((item) => item.id === 'B/train/IDRiD_001')).toBe(false);
    expect(dataset.items.some((item) => item.id === 'A/test/IDRiD_04')).toBe(true);
    expect(dataset.notes).toHaveLength(1);
  });

  it('names the row and field of a broken metadata file', async () => {
    const file = join(root, 'set', 'metadata.json');
    await writeMetadata(file, (await openDataset(join(root, 'set'), { cacheFolder })).items);
    const rows: MetadataRow[] = JSON.parse(await readFile(file, 'utf8'));
    const spoil = async (change: (rows: MetadataRow[]) => unknown) => {
      const spoilt = structuredClone(rows);
      const content = change(spoilt) ?? spoilt;
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
      return loadMetadata(file).then(
        () => 'read',
        (error: Error & { code: string }) => `${error.code}: ${error.message}`,
      );
    };
    expect(await spoil(() => rows)).toBe('read');
    expect(await spoil(() => '[{')).toMatch(/metadata-json: .*not valid JSON/);
    expect(await spoil(() => [])).toMatch(/non-empty list/);
    expect(await spoil((list) => Object.assign(list[5], { retino_label: 7 }) && undefined)).toMatch(
      /metadata-row: .*row 6 \(B\/train\/IDRiD_002\), retino_label/,
    );
    expect(await spoil((list) => Object.assign(list[0], { task_vector: [0, 1] }) && undefined)).toMatch(
      /row 1 .*task_vector: is \[0,1\]/,
    );
    expect(await spoil((list) => Object.assign(list[1], { split: 'training' }) && undefined)).toMatch(/row 2 .*split/);
    expect(
      await spoil((list) => Object.assign(list[5], { retino_label: null, edema_label: null }) && undefined),
    ).toMatch(/needs a grade/);
    expect(await spoil((list) => Object.assign(list[1], { retinopathy: 1 }) && undefined)).toMatch(
      /row 2 .*retinopathy/,
    );
    expect(await spoil((list) => [...list, list[0]])).toMatch(/metadata-duplicate: .*row 10.*row 1 /);
    expect(await spoil((list) => Object.assign(list[2], { image_path: 'gone.jpg' }) && undefined)).toMatch(
      /metadata-missing-file: .*row 3 .*gone\.jpg/,
    );
    await rm(file);
    await expect(loadMetadata(file)).rejects.toMatchObject({ code: 'data/metadata-unreadable' });
    await expect(openDataset(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'data/not-found' });
  });
});
