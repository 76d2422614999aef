/** Tier: no adapter. Images of another data set are told from the run's by their content, whatever they are called. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveConfig } from '../config/resolve.ts';
import { recordItems } from '../data/sets/datasetFingerprint.ts';
import { imagePathB, put, SMALL_SET, tinyFundus, writeTinyIdrid } from '../data/testsupport.ts';
import { openConfigured } from './dataset.ts';
import { RunFolder } from './runFolder.ts';

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'gmtl-known-'));
  await writeTinyIdrid(join(root, 'set'));
  await writeTinyIdrid(join(root, 'other'), SMALL_SET);
});
afterAll(() => rmSync(root, { recursive: true }));

it('keeps the splits of known contents, and takes a namesake of another content for another image', async () => {
  const config = resolveConfig({ preset: 'demo' });
  const { items } = await openConfigured(join(root, 'set'), config);
  const run = new RunFolder(root);
  run.writeConfig(config);
  await run.writeItems(items);
  const trained = items.find(({ part, split }) => part === 'B' && split === 'train')!;
  const elsewhere = await run.datasetToScore(join(root, 'other'));
  expect(elsewhere.notes.join()).toMatch(/splits are those of the run/);
  await run.writePictures(await recordItems(items));
  expect((await run.datasetToScore(join(root, 'other'))).items.map(({ split }) => split)).toEqual(
    elsewhere.items.map(({ split }) => split),
  );
  // A test image of the other set is now, under its own name, an image that the run was trained on.
  const test = items.find(({ part, split }) => part === 'B' && split === 'test')!;
  const numberOf = (id: string): number => Number(/(\d+)$/.exec(id)?.[1]);
  const copied = await import('node:fs/promises').then(({ readFile }) => readFile(trained.imagePath));
  await put(imagePathB(join(root, 'other'), 'test', numberOf(test.id)), copied);
  // And one is called as a training image of the run, but shows another eye.
  await put(imagePathB(join(root, 'other'), 'train', numberOf(trained.id)), await tinyFundus(777));
  const { items: scored, notes } = await run.datasetToScore(join(root, 'other'));
  expect(scored.find(({ id }) => id === test.id)?.split).toBe('train');
  expect(notes.join()).toMatch(new RegExp(`${items.length - 1} of ${scored.length} images are known`));
  expect(notes.join()).toMatch(/1 images are called as images of the run but have another content/);
});
