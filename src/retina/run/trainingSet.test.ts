/** Tier: no adapter. The record of what a network was trained on, where another network's weights were its beginning. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { validateConfig } from '../config/resolve.ts';
import { writeRunConfig } from './config.ts';
import { readTrainingSet, startOf, writeTrainingSet } from './trainingSet.ts';
import { type TrainingSet, trainedOnCaveat, trainedOnText } from './trainingSetFormat.ts';

const set = (origin: TrainingSet['origin'], startedFrom: TrainingSet['startedFrom'] = null): TrainingSet => ({
  origin,
  pictures: 3,
  parts: { A: 1, B: 2 },
  tasks: { segmentation: 1, classification: 2 },
  grades: { retinopathy: [1, 1, 1, 1, 1], edema: [2, 2, 1] },
  measured: 0,
  fieldPixels: null,
  color: null,
  focus: null,
  look: null,
  startedFrom,
});

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-set-'));
  await mkdir(join(root, 'drawn', 'checkpoints'), { recursive: true });
  await writeTrainingSet(join(root, 'drawn'), set('synthetic'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

it('names the weights that a network began with, and what those were trained on, through several starts', async () => {
  const drawn = '3 synthetic pictures (part A: 1, part B: 2)';
  expect(startOf(join(root, 'drawn'))).toEqual({ weights: 'drawn', trainedOn: drawn });
  expect(startOf(join(root, 'drawn', 'checkpoints', 'best.json'))).toEqual({ weights: 'best.json', trainedOn: drawn });
  expect(startOf(join(root, 'elsewhere', 'convnext.pth'))).toEqual({ weights: 'convnext.pth', trainedOn: null });
  expect(startOf(null)).toBeNull();

  const real = set('photographs', startOf(join(root, 'drawn')));
  const text = `3 photographs (part A: 1, part B: 2); started from drawn (trained on ${drawn})`;
  expect(trainedOnText(real)).toBe(text);
  // What it says of photographs was learnt from photographs.
  expect(trainedOnCaveat(real)).toEqual([]);
  await mkdir(join(root, 'real'));
  await writeTrainingSet(join(root, 'real'), real);
  expect(readTrainingSet(join(root, 'real'))).toEqual(real);
  expect(trainedOnText(set('synthetic', startOf(join(root, 'real'))))).toBe(
    `${drawn}; started from real (trained on ${text}); not photographs of eyes: what it says of a real photograph means nothing`,
  );
});

it('reads a record of before starts were recorded', async () => {
  const { startedFrom, ...old } = set('photographs');
  expect(startedFrom).toBeNull();
  await mkdir(join(root, 'old'));
  await writeFile(join(root, 'old', 'training-set.json'), JSON.stringify(old));
  const text = (): string => trainedOnText(readTrainingSet(join(root, 'old')));
  const shown = '3 photographs (part A: 1, part B: 2)';
  const unknown = `${shown}; which weights it started from is not recorded`;
  expect(text()).toBe(unknown);
  await writeFile(join(root, 'old', 'config.json'), '{ "model": ');
  expect(text()).toBe(unknown);
  for (const [init, start] of [
    [null, ''],
    ['/nets/convnext.pth', '; started from convnext.pth (trained on what is not recorded)'],
  ] as const) {
    writeRunConfig(join(root, 'old'), validateConfig({ training: { init } }, 'test'));
    expect(text()).toBe(shown + start);
  }
});
