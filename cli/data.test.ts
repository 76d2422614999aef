/** Tier: no adapter, slow. `gmtl data`: what prepare, verify and synth write and say. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import yargs from 'yargs';
import { loadMetadata } from '../src/retina/data/sets/metadata.ts';
import { imagePathA, imagePathB, writeTinyIdrid } from '../src/retina/data/testsupport.ts';
import { selectItems } from '../src/retina/domain.ts';
import { dataCommand } from './data.ts';

let root = '';
const printed: string[] = [];
const oldCache = process.env.GMTL_CACHE_DIR;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-cli-data-'));
  process.env.GMTL_CACHE_DIR = join(root, 'cache');
  await writeTinyIdrid(join(root, 'set'));
  printed.length = 0;
  vi.spyOn(console, 'log').mockImplementation((text: string) => void printed.push(text));
  vi.spyOn(console, 'warn').mockImplementation((text: string) => void printed.push(text));
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = 0;
  if (oldCache === undefined) delete process.env.GMTL_CACHE_DIR;
  else process.env.GMTL_CACHE_DIR = oldCache;
  await rm(root, { recursive: true, force: true });
});

async function run(...words: string[]): Promise<void> {
  await yargs(words).command(dataCommand).strict().exitProcess(false).fail(false).parseAsync();
}

describe('gmtl data', () => {
  it('prepare writes the metadata and says what is in it', async () => {
    const file = join(root, 'metadata.json');
    await run('data', 'prepare', join(root, 'set'), '-o', file, '--val-fraction', '0.3', '--seed', '2');
    const dataset = await loadMetadata(file);
    expect(dataset.items).toHaveLength(9);
    const [segmentation, classification] = [
      selectItems(dataset, 'val', 'segmentation'),
      selectItems(dataset, 'val', 'classification'),
    ];
    expect(segmentation.length + classification.length).toBe(2);
    expect(printed.join('\n')).toContain(
      `val ${segmentation.length} segmentation + ${classification.length} classification`,
    );
  });

  it('verify sets exit code 1 on a leak, and prints JSON on request', async () => {
    await run('data', 'verify', join(root, 'set'));
    expect(printed.join('\n')).toMatch(/OK: no problems/);
    expect(process.exitCode ?? 0).toBe(0);
    await copyFile(imagePathA(join(root, 'set'), 'test', 4), imagePathB(join(root, 'set'), 'train', 1));
    printed.length = 0;
    await run('data', 'verify', join(root, 'set'), '--json');
    expect(process.exitCode).toBe(1);
    expect(JSON.parse(printed[0])).toMatchObject({
      ok: false,
      duplicates: [{ first: 'A/test/IDRiD_04', second: 'B/train/IDRiD_001', leak: true }],
    });
    await expect(
      run('data', 'prepare', join(root, 'set'), '-o', join(root, 'm.json'), '--leaks', 'refuse'),
    ).rejects.toMatchObject({ code: 'data/leak' });
  });

  it('verify fails on a problem too (B22), and writes JSON', async () => {
    await writeFile(imagePathB(join(root, 'set'), 'train', 1), 'no picture');
    const file = join(root, 'findings.json');
    await run('data', 'verify', join(root, 'set'), '--json', file);
    expect(process.exitCode).toBe(1);
    expect(printed.join('\n')).toMatch(/NOT OK: \d problem\(s\), 0 leak/);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
      ok: false,
      leaky: false,
      problems: expect.arrayContaining([expect.objectContaining({ code: 'data/image-unreadable' })]),
    });
  });

  it('prepare writes and takes the list of System B', async () => {
    const [list, back] = [join(root, 'list.json'), join(root, 'back.json')];
    const held = ['--val-fraction', '0'];
    await run('data', 'prepare', join(root, 'set'), '-o', list, '--format', 'system-b', '--oversample', '3', ...held);
    expect(printed.join('\n')).toContain(`${list}: 9 segmentation + 4 classification entries`);
    await run('data', 'prepare', list, '-o', back, ...held);
    expect(printed.join('\n')).toMatch(/6 repeated entries of 3 image/);
    const dataset = await loadMetadata(back);
    expect(selectItems(dataset, 'train')).toHaveLength(7);
    expect(selectItems(dataset, 'test')).toEqual([]);
    await expect(run('data', 'prepare', list, '-o', back, '--oversample', '3')).rejects.toThrow(/--format system-b/);
  });

  it('synth draws a set that verifies', async () => {
    const folder = join(root, 'drawn');
    await run(
      'data',
      'synth',
      folder,
      '--size',
      '64',
      '--seg-train',
      '2',
      '--seg-test',
      '1',
      '--cls-train',
      '5',
      '--cls-test',
      '2',
    );
    await run('data', 'verify', folder);
    expect(printed[0]).toContain('10 images');
    expect(printed[1]).toMatch(/OK: no problems/);
  });

  it('refuses an unknown action', async () => {
    await expect(run('data', 'destroy', root)).rejects.toThrow(/Unknown/);
  });
});
