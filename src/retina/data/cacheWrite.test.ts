/** Tier: no adapter. B37: a cache that cannot be written costs time, never the result. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_PREPROCESS } from './pictures/sample.ts';
import { SampleSource } from './loading/loader.ts';
import { fingerprintFiles } from './sets/fingerprintFiles.ts';
import { readIdrid } from './sets/idrid.ts';
import { writeTinyIdrid } from './testsupport.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-nocache-'));
  await writeTinyIdrid(join(root, 'set'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(root, { recursive: true });
});

describe('B37: a cache that cannot be written', () => {
  it('is said once, and pictures are prepared all the same', async () => {
    const said: string[] = [];
    vi.spyOn(console, 'error').mockImplementation((text: string) => void said.push(text));
    // Whoever runs the tests may write anywhere; a file in the folder's place stops everybody.
    const cacheFolder = join(root, 'file');
    await writeFile(cacheFolder, '');
    const items = await readIdrid(join(root, 'set'));
    const paths = items.map(({ imagePath }) => imagePath);
    const prints = await fingerprintFiles(paths, { root: cacheFolder });
    expect(prints).toEqual(await fingerprintFiles(paths, { root: null }));
    const source = new SampleSource({ preprocess: { ...DEFAULT_PREPROCESS, size: 32 }, cacheFolder });
    for (const item of items) expect((await source.sample(item, 32))?.size).toBe(32);
    expect(said).toEqual([expect.stringMatching(/cache .*file cannot be used.*GMTL_CACHE_DIR/)]);
  });
});
