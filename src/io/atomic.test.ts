import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GmtlError } from '../errors.ts';
import { writeFileAtomic } from './atomic.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gmtl-atomic-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('writeFileAtomic', () => {
  it('creates missing folders, replaces an old file and leaves nothing else behind', async () => {
    const path = join(folder, 'deep', 'er', 'a.txt');
    await writeFileAtomic(path, 'an older, longer content');
    await writeFileAtomic(path, new Uint8Array([0x67, 0x6d]));
    expect(await readFile(path, 'utf8')).toBe('gm');
    expect(await readdir(join(folder, 'deep', 'er'))).toEqual(['a.txt']);
  });

  it('keeps one whole content when writers race', async () => {
    const path = join(folder, 'race.txt');
    const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(20_000));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('names the path when the parent is a file', async () => {
    const parent = join(folder, 'plain');
    await writeFile(parent, 'x');
    const failure = await writeFileAtomic(join(parent, 'a.txt'), 'y').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(GmtlError);
    expect((failure as GmtlError).code).toBe('io/write-failed');
    expect((failure as GmtlError).message).toContain(join(parent, 'a.txt'));
  });
});
