/** Tier: no adapter. The file of tuned kernels: where it lies, when it is used, and when it is replaced. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAdapterInfo } from '../gpu/classify.ts';
import { kernelsHash } from './kernelsHash.ts';
import { loadTuned, saveTuned, tunedPath } from './tuned.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gmtl-tuned-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function adapter(description = 'driver 1'): GPUAdapterInfo {
  return { vendor: 'v', architecture: 'a', device: 'Some GPU (R)', description } as GPUAdapterInfo;
}

const entry = (call: string, version: string | null) => ({ call, version, milliseconds: 1, defaultMilliseconds: 2 });
const load = (kernels = 'k1') => loadTuned(adapter(), { folder, kernels, environment: {} });
const save = (entries: ReturnType<typeof entry>[], kernels = 'k1') =>
  saveTuned(adapter(), entries, { folder, kernels, gmtl: '1.2.3' });

describe('tuned kernels on disk', () => {
  it('are one file per adapter and driver, named so that people find it', () => {
    const path = tunedPath(readAdapterInfo(adapter()), folder);
    expect(path).toMatch(/tuned\/Some-GPU-R-[0-9a-f]{12}\.json$/);
    expect(tunedPath(readAdapterInfo(adapter('driver 2')), folder)).not.toBe(path);
  });

  it('come back as they were saved, new winners over old ones', async () => {
    expect(load()).toMatchObject({ state: 'absent', entries: [], note: null });
    await save([entry('b', 'fast'), entry('a', null)]);
    const file = await save([entry('b', 'faster'), entry('c', 'x')]);
    expect(file).toEqual(load());
    expect(file).toMatchObject({ state: 'used', note: null });
    expect(file.entries.map(({ call, version }) => [call, version])).toEqual([
      ['a', null],
      ['b', 'faster'],
      ['c', 'x'],
    ]);
    expect([...file.tuned]).toEqual([
      ['b', 'faster'],
      ['c', 'x'],
    ]);
  });

  it('are ignored, and said to be, when the kernels are others; tuning again starts afresh', async () => {
    await save([entry('a', 'fast')]);
    expect(load('k2')).toMatchObject({
      state: 'unusable',
      entries: [],
      note: expect.stringMatching(/other kernels.*gmtl tune again/),
    });
    expect((await save([entry('b', 'fast')], 'k2')).entries.map(({ call }) => call)).toEqual(['b']);
  });

  it.each([
    ['no JSON', '{"format": 1,', /not valid JSON/],
    ['another format', '{"format": 2}', /damaged or of another version/],
    ['a broken entry', '{"entries": [{"call": 3}]}', /damaged/],
    ['a list', '[]', /damaged/],
  ])('are ignored, and said to be, where the file is %s', async (_what, text, note) => {
    const { path } = load();
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    expect(load()).toMatchObject({ state: 'unusable', note: expect.stringMatching(note) });
    expect(load().note).toContain(path);
    // And the next tuning replaces it.
    await save([entry('a', 'fast')]);
    expect(load().tuned.size).toBe(1);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ gmtl: '1.2.3', driver: 'driver 1', kernels: 'k1' });
  });

  it('can be switched off by GMTL_TUNE', async () => {
    await save([entry('a', 'fast')]);
    const withSetting = (GMTL_TUNE: string) => () =>
      loadTuned(adapter(), { folder, kernels: 'k1', environment: { GMTL_TUNE } });
    expect(withSetting('off')()).toMatchObject({ state: 'off', entries: [], note: null });
    expect(withSetting('on')().tuned.size).toBe(1);
    expect(withSetting('fast')).toThrow('set it to on or off');
  });

  it('depend on a hash of shaders and plans that is the same each time', () => {
    expect(kernelsHash()).toMatch(/^[0-9a-f]{16}$/);
    expect(kernelsHash()).toBe(kernelsHash());
  });
});
