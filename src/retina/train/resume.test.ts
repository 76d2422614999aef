/** Tier: no adapter. B26: what a resumed run is held against, and where its images may be. */
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GmtlError } from '../../engine/errors.ts';
import { resolveConfig } from '../config/resolve.ts';
import { recordItems } from '../data/sets/datasetFingerprint.ts';
import { imagePathB, maskPath, tinyMask, writeTinyIdrid } from '../data/testsupport.ts';
import type { LoadedCheckpoint } from '../run/checkpoint.ts';
import { openConfigured } from '../run/dataset.ts';
import { RunFolder } from '../run/runFolder.ts';
import { openToResume, requireUnchanged } from './resume.ts';
import { resumeTraining, startCrossValidation, startTraining, withWayOn } from './train.ts';

let root = '';
let run: RunFolder;
let checkpoint: LoadedCheckpoint;
const config = resolveConfig({ overrides: ['data.validationFraction=0.3'] });
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'gmtl-resume-'));
  await writeTinyIdrid(join(root, 'set'));
  const { items } = await openConfigured(join(root, 'set'), config);
  run = RunFolder.create({ folder: join(root, 'run') });
  run.writeConfig(config);
  await run.writeItems(items);
  await run.writePictures(await recordItems(items));
  checkpoint = { manifest: { config }, path: 'last.json' } as unknown as LoadedCheckpoint;
});
afterEach(() => rmSync(root, { recursive: true }));

describe('asked to stop before the first step', () => {
  // Asked while pictures are compared: the first of them is under way.
  const stopped = (): AbortSignal => AbortSignal.abort();

  it('a training ends with the picture that it reads, and leaves nothing', async () => {
    const training = { config, data: join(root, 'set'), folder: join(root, 'stopped') };
    expect(await startTraining(training, { stop: stopped() })).toBe(false);
    expect(existsSync(join(root, 'stopped'))).toBe(false);
    expect(await startCrossValidation(training, 2, { stop: stopped() })).toBe(false);
    expect(existsSync(join(root, 'stopped'))).toBe(false);
  });

  it('a run that would be gone on with is as it was, and free', async () => {
    const before = readFileSync(join(root, 'run', 'metadata.json'), 'utf8');
    expect(await resumeTraining(join(root, 'run'), { stop: stopped(), data: join(root, 'set') })).toBe(false);
    expect(readFileSync(join(root, 'run', 'metadata.json'), 'utf8')).toBe(before);
    expect(existsSync(join(root, 'run', 'run.lock'))).toBe(false);
  });
});

describe('a run without its last checkpoint', () => {
  const epoch = (step: number): string => `{"step":${step},"epoch":${step}}\n`;

  it('is refused where it had one: a finished run was trained anew, and its logs cut', async () => {
    const finished = {
      stamp: 't',
      step: 2,
      epoch: 1,
      stoppedEarly: false,
      metric: 'score',
      best: 0,
      bestStep: 2,
      files: {},
    };
    const traces: readonly [name: string, content: string, said: RegExp][] = [
      ['finished.json', JSON.stringify({ ...finished, files: { best: 'b', final: 'f' } }), /it is finished/],
      ['epochs.jsonl', epoch(1) + epoch(2), /it has trained several epochs/],
      [join('checkpoints', 'best.json'), '{}', /it has a best one/],
    ];
    for (const [name, content, said] of traces) {
      const path = join(root, 'run', name);
      writeFileSync(path, content);
      await expect(openToResume(run), name).rejects.toThrow(said);
      await expect(openToResume(run), name).rejects.toThrow(/Put the folder checkpoints back/);
      rmSync(path);
    }
  });

  it('begins anew where it was killed before its first', async () => {
    writeFileSync(join(root, 'run', 'epochs.jsonl'), epoch(1));
    expect((await openToResume(run)).resume).toBeUndefined();
  });
});

it('a full disk is said with how the run goes on, once it can: the same command again began another run', () => {
  const full = new GmtlError('io/disk-full', 'cannot write it: the disk is full.');
  expect(withWayOn(full, run)).toBe(full);
  writeFileSync(join(root, 'run', 'checkpoints', 'last.json'), '{}');
  expect(withWayOn(full, run)).toMatchObject({
    code: 'io/disk-full',
    message: `${full.message}\nThis run goes on with: npx gmtl train --resume ${join(root, 'run')}`,
  });
  const other = new GmtlError('io/not-writable', 'cannot write it');
  expect(withWayOn(other, run)).toBe(other);
});

describe('B26: a run that was moved, or whose data changed', () => {
  it('finds its images with --data, in its own order and splits', async () => {
    const before = (await run.dataset()).items.map(({ id, split }) => [id, split]);
    cpSync(join(root, 'run'), join(root, 'far', 'away'), { recursive: true });
    renameSync(join(root, 'set'), join(root, 'moved'));
    const moved = RunFolder.open(join(root, 'far', 'away'));
    await expect(moved.dataset()).rejects.toThrow(/say where the images are with --data; the run's splits stay/);
    await expect(moved.dataset()).rejects.not.toThrow(/data prepare/);
    const { items } = await moved.datasetAt(join(root, 'moved'));
    expect(items.map(({ id, split }) => [id, split])).toEqual(before);
    requireUnchanged(moved, checkpoint, await recordItems(items));
    rmSync(join(root, 'moved', 'A. Segmentation'), { recursive: true });
    await expect(moved.datasetAt(join(root, 'moved'))).rejects.toThrow(/lacks 4 of the 9 images of the run \(A\//);
  });

  it('is refused with what differs: splits, labels, pictures, masks, settings, the seed', async () => {
    const file = join(root, 'run', 'metadata.json');
    const text = readFileSync(file, 'utf8');
    const refused = async (): Promise<string> => {
      const records = await recordItems((await run.dataset()).items);
      try {
        requireUnchanged(RunFolder.open(run.path), checkpoint, records);
      } catch (error) {
        return String(error);
      }
      return '';
    };
    expect(await refused()).toBe('');
    writeFileSync(
      file,
      text.replace('"split":"val"', '"split":"train"').replace(/"retino_label":0/, '"retino_label":3'),
    );
    expect(await refused()).toMatch(/split was val, is train.*retinopathy was 0, is 3.*--init/s);
    writeFileSync(file, text);
    cpSync(imagePathB(join(root, 'set'), 'train', 1), imagePathB(join(root, 'set'), 'train', 2));
    writeFileSync(maskPath(join(root, 'set'), 'train', 1, 'EX'), tinyMask(1, 1, 5, 5));
    const files = await refused();
    expect(files).toContain('B/train/IDRiD_002: the image has another content');
    expect(files).toContain('A/train/IDRiD_01: the EX mask has another content');
    run.writeConfig({ ...config, adapter: 'other', training: { ...config.training, seed: 7 } });
    const settings = await refused();
    expect(settings).toContain(`config.json: training.seed was ${config.training.seed}, is 7`);
    expect(settings).not.toContain('adapter');
  });
});
