/** Tier: no adapter. B36: what a command may replace. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireOwn, writeAnnounced, writeOwn } from './ownFiles.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gmtl-own-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('B36: a command replaces only what it wrote itself', () => {
  it('its own file, again and again', async () => {
    const path = join(folder, 'a.json');
    await writeOwn(path, 'one', 'data prepare');
    await writeOwn(path, 'two', 'data prepare');
    expect(readFileSync(path, 'utf8')).toBe('two');
  });

  it("not a stranger's, not another command's, not one that was changed since", async () => {
    const path = join(folder, 'a.json');
    writeFileSync(path, 'mine');
    expect(() => requireOwn([path], 'infer')).toThrow(/no record of writing it/);
    await writeAnnounced([path], 'infer', async () => undefined);
    expect(() => requireOwn([path], 'evaluate')).toThrow(/gmtl infer wrote it/);
    requireOwn([path], 'infer');
    writeFileSync(path, 'edited');
    await expect(writeOwn(path, 'new', 'infer')).rejects.toMatchObject({ code: 'io/exists' });
    expect(readFileSync(path, 'utf8')).toBe('edited');
  });

  it('what a full disk or a kill left of several files, of which the first was written: it was refused as a stranger’s', async () => {
    const [page, figures] = ['report.html', 'metrics.json'].map((name) => join(folder, name));
    const full = writeAnnounced([page, figures], 'evaluate', async () => {
      writeFileSync(page, 'whole');
      throw new Error('the disk is full');
    });
    await expect(full).rejects.toThrow('the disk is full');
    requireOwn([page, figures], 'evaluate');
    expect(() => requireOwn([page], 'infer')).toThrow(/gmtl evaluate wrote it/);
  });

  it('not what appears where a file was announced and then not written', async () => {
    const path = join(folder, 'reliability_edema.png');
    await writeAnnounced([path], 'evaluate', async () => undefined);
    writeFileSync(path, 'mine');
    expect(() => requireOwn([path], 'evaluate')).toThrow(/changed since/);
  });

  it('a damaged record vouches for nothing', async () => {
    const path = join(folder, 'a.json');
    await writeOwn(path, 'one', 'infer');
    writeFileSync(join(folder, '.gmtl-files.jsonl'), '{"file":"a.json"\n{"by":');
    expect(() => requireOwn([path], 'infer')).toThrow(/io\/exists|no record/);
  });
});
