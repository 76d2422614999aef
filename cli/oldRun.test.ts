/** Tier: any adapter. A run that version 0.1 began, under its names, still evaluates, infers and resumes. */
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../src/engine/node/safetensorsFile.ts';
import { loadCheckpoint } from '../src/retina/run/checkpoint.ts';
import { readRunLog } from '../src/retina/run/logs.ts';
import { gmtlHere, keepAdapter } from './testsupport.ts';

keepAdapter();
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

let root = '';
let run = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-old-run-'));
  run = join(root, 'part');
  await cp(fixture('run-0.1'), run, { recursive: true });
  // The run's list names its pictures as ../data/…
  await cp(fixture('data-0.1'), join(root, 'data'), { recursive: true });
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function gmtl(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await gmtlHere(...words);
  expect(code, stdout + stderr).toBe(0);
  return stdout;
}

describe('a run of version 0.1', () => {
  it('is evaluated', async () => {
    const output = await gmtl('evaluate', run, '--json', join(root, 'figures.json'), '--report', join(root, 'report'));
    expect(output).toContain('retinopathy');
    const figures = JSON.parse(await readFile(join(root, 'figures.json'), 'utf8'));
    expect(figures).toMatchObject({ checkpoint: 'best', step: 6 });
  });

  it('infers', async () => {
    const picture = join(root, 'data', 'B. Disease Grading', '1. Original Images', 'b. Testing Set', 'IDRiD_001.jpg');
    // --checkpoint is the old name of --run.
    await gmtl('infer', picture, '--checkpoint', run, '--out', join(root, 'found'));
    expect(await readdir(join(root, 'found'))).toContain('predictions.csv');
  });

  it('resumes to the weights it would have had', async () => {
    await gmtl('train', '--resume', run);
    const [got, want] = [
      (await loadCheckpoint(run, { name: 'last' })).weights,
      (await readSafetensors(fixture('run-0.1-finished.safetensors'))).tensors,
    ];
    expect([...got.keys()].sort()).toEqual([...want.keys()].sort());
    for (const [name, { data }] of want) {
      const found = got.get(name)?.data ?? [];
      // Equal bit for bit only on the adapter that made the file; another rounds differently.
      data.forEach((value, index) => {
        expect(Math.abs(Number(found[index]) - Number(value)), `${name}[${index}]`).toBeLessThan(2e-3);
      });
    }
    const epochs = readRunLog(join(run, 'epochs.jsonl'));
    expect(epochs.map(({ step }) => step)).toEqual([6, 12]);
    for (const row of epochs) expect(row).toHaveProperty('val_retinopathyQwk');
    const header = (await readFile(join(run, 'epochs.csv'), 'utf8')).split('\n')[0];
    expect(header).toContain('val_retinopathyQwk');
    expect(header).not.toMatch(/retino[A-Z,]/);
    // Rows written under the old columns, of the validation before the resumed step.
    const misroutes = (await readFile(join(run, 'misroutes.csv'), 'utf8')).split('\n');
    expect(misroutes.slice(0, 2)).toEqual([
      'step,epoch,split,id,task,routed,probability',
      '6,1,val,B/train/IDRiD_004,classification,segmentation,0.544307',
    ]);
  });
});
