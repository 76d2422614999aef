/** Tier: no adapter. System B's list, read and written. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from './dataset.ts';
import { loadMetadata } from './metadata.ts';
import { type SystemBEntry, writeSystemB } from './systemB.ts';
import { writeTinyIdrid } from '../testsupport.ts';
import type { DatasetItem } from '../../domain.ts';

let root = '';
let items: readonly DatasetItem[] = [];
const at = (name: string) => join(root, name);
const byId = (list: readonly DatasetItem[]) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
const training = () => byId(items.filter((item) => item.split === 'train'));
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-systemb-'));
  await writeTinyIdrid(at('set'));
  items = (await openDataset(at('set'), { valFraction: 0.3, cacheFolder: null })).items;
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

describe('the list of System B', () => {
  it('comes back as it was written: the training split, repeated, shuffled by the seed', async () => {
    const segmentation = training().filter((item) => item.task === 'segmentation').length;
    const classification = training().length - segmentation;
    const file = at('balanced.json');
    expect(await writeSystemB(file, items, { seed: 5 })).toEqual({ segmentation: 8 * segmentation, classification });
    const text = await readFile(file, 'utf8');
    const entries: SystemBEntry[] = JSON.parse(text);
    expect(entries).toHaveLength(8 * segmentation + classification);
    expect(text).not.toContain('Testing Set');
    const seg = entries.find((entry) => entry.task === 'seg');
    expect(Object.keys(seg ?? {})).toEqual(['image_path', 'task', 'task_vector', 'mask_paths']);
    expect(seg?.mask_paths).toMatchObject({ HE: null, OD: expect.stringMatching(/_OD\.tif$/) });
    expect(Object.keys(entries.find((entry) => entry.task === 'cls') ?? {})).toEqual([
      'image_path',
      'task',
      'task_vector',
      'retino_label',
      'edema_label',
    ]);

    const read = await loadMetadata(file);
    expect(byId(read.items)).toEqual(training());
    expect(read.splitsFixed).toBe(false);
    expect(read.notes).toEqual([
      expect.stringMatching(new RegExp(`${7 * segmentation} repeated entries of ${segmentation} image`)),
      expect.stringMatching(/no testing images/),
    ]);
    await writeSystemB(at('again.json'), items, { seed: 5 });
    expect(await readFile(at('again.json'), 'utf8')).toBe(text);
    await writeSystemB(at('again.json'), items, { seed: 6 });
    expect(await readFile(at('again.json'), 'utf8')).not.toBe(text);
    await expect(writeSystemB(file, items, { oversample: 0 })).rejects.toMatchObject({ code: 'data/system-b' });
  });

  it('opens with validation carved from it, whose images train no more, and a second list for testing', async () => {
    await writeSystemB(at('train.json'), items);
    const test = items.filter((item) => item.split === 'test');
    await writeSystemB(
      at('test.json'),
      test.map((item) => ({ ...item, split: 'train' })),
      { oversample: 1 },
    );
    const options = { valFraction: 0.4, cacheFolder: null, metadata: { test: at('test.json') } };
    const dataset = await openDataset(at('train.json'), options);
    const of = (split: string) => byId(dataset.items.filter((item) => item.split === split));
    expect(of('test')).toEqual(byId(test));
    expect(of('val').length).toBeGreaterThan(0);
    expect(byId([...of('train'), ...of('val').map((item): DatasetItem => ({ ...item, split: 'train' }))])).toEqual(
      training(),
    );
    expect(dataset.notes.join()).not.toMatch(/no testing images/);
    await expect(loadMetadata(at('test.json'), { test: at('test.json') })).rejects.toMatchObject({
      code: 'data/metadata-test',
    });
  });

  it('takes long task names, -1 for no grade, other folders, Windows paths and files that moved', async () => {
    const entries: SystemBEntry[] = JSON.parse(await readFile(at('balanced.json'), 'utf8'));
    const { mask_paths, image_path } = entries.find((entry) => entry.task === 'seg')!;
    const read = async (entry: object, images?: string) => {
      await writeFile(at('list.json'), JSON.stringify([entry]));
      return (await loadMetadata(at('list.json'), { images })).items[0];
    };
    const long = { image_path, task: 'segmentation', mask_paths, retino_label: -1, edema_label: null };
    const known = await read(long);
    expect(known).toEqual(items.find((item) => item.imagePath === image_path));
    const windows = `D:\\idrid\\${image_path.slice(at('set').length + 1).replaceAll('/', '\\')}`;
    const graded = { image_path: windows, task: 'classification', task_vector: [0, 1], retino_label: 2 };
    await expect(read(graded)).rejects.toMatchObject({ code: 'data/metadata-missing-file' });
    expect(await read(graded, at('set'))).toMatchObject({
      id: known.id,
      imagePath: image_path,
      retinopathy: 2,
      edema: null,
      maskPaths: null,
    });
    // Where the folders do not name it, the task names the part, and all is training.
    await writeFile(at('eye.JPG'), '');
    expect(await read({ image_path: 'eye.JPG', task: 'cls', edema_label: 1 })).toMatchObject({
      id: 'B/train/eye',
      imagePath: at('eye.JPG'),
    });
  });

  it('names the row and field of a broken list', async () => {
    const entries: SystemBEntry[] = JSON.parse(await readFile(at('balanced.json'), 'utf8'));
    const spoil = async (change: object, row = 2) => {
      const list = entries.map((entry, index) => (index === row ? { ...entry, ...change } : entry));
      await writeFile(at('bad.json'), JSON.stringify(list));
      return loadMetadata(at('bad.json')).then(
        () => 'read',
        (error: Error & { code: string }) => `${error.code}: ${error.message}`,
      );
    };
    const classified = entries.findIndex((entry) => entry.task === 'cls');
    const segmented = entries.findIndex((entry) => entry.task === 'seg');
    expect(await spoil({})).toBe('read');
    expect(await spoil({ id: 'x' })).toMatch(/metadata-row: .*row 3, row: .*id/);
    expect(await spoil({ task: 'both' })).toMatch(/row 3, task/);
    expect(await spoil({ task_vector: [1, 1] })).toMatch(/row 3, task_vector: is \[1,1\]/);
    expect(await spoil({ retino_label: 5 }, classified)).toMatch(/retino_label/);
    expect(await spoil({ retino_label: -1, edema_label: null }, classified)).toMatch(/needs a grade/);
    expect(await spoil({ mask_paths: {} }, segmented)).toMatch(/needs a mask/);
    expect(await spoil({ retino_label: 1 }, segmented)).toMatch(/metadata-duplicate: .*the two rows differ/);
  });
});
