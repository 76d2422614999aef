/** Tier: no adapter. A run's folder and its lock. */
import { spawnSync } from 'node:child_process';
import nodeFs, * as fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resolveConfig } from '../config/resolve.ts';
import { acquireRunLock } from './lock.ts';
import { RunFolder } from './runFolder.ts';

let root = '';
beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'gmtl-run-'));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

describe('run folder', () => {
  const now = new Date(2026, 0, 31, 9, 5, 59);

  test('is named by time and preset, and unique within a second', () => {
    const names = [1, 2, 3].map(() => RunFolder.create({ root: join(root, 'runs'), preset: 'demo', now }).path);
    expect(names).toEqual(['', '-2', '-3'].map((suffix) => join(root, 'runs', `2026-01-31_09-05-59-demo${suffix}`)));
    expect(fs.readdirSync(names[0])).toEqual(['checkpoints']);
  });

  test('refuses to overwrite', () => {
    const folder = join(root, 'mine');
    const { path, checkpoints } = RunFolder.create({ folder });
    expect({ path, checkpoints: checkpoints.folder }).toEqual({
      path: folder,
      checkpoints: join(folder, 'checkpoints'),
    });
    expect(() => RunFolder.create({ folder })).toThrow(/mine: the folder is not empty.*Resume/);
    fs.writeFileSync(join(root, 'file'), '');
    expect(() => RunFolder.create({ root: join(root, 'file') })).toThrow(/is a file, not a folder/);
  });

  test('keeps its configuration and what it ran on', async () => {
    const run = RunFolder.create({ root });
    const { path } = run;
    const config = resolveConfig({ preset: 'idrid-128' });
    run.writeConfig(config);
    expect(RunFolder.open(path).config()).toEqual(config);
    expect(() => RunFolder.open(root)).toThrow(/no run folder/);

    run.writeEnvironment({
      adapter: { name: 'software' },
      data: { fingerprint: 'abc' },
      command: ['train', '--epochs', '3'],
      seed: 7,
      precision: 'f16',
    });
    run.writeEnvironment({ adapter: { name: 'other' }, data: null, command: [], seed: 7, precision: 'f32' });
    const environment = JSON.parse(fs.readFileSync(join(path, 'environment.json'), 'utf8'));
    expect(environment).toMatchObject({
      node: process.versions.node,
      adapter: { name: 'software' },
      data: { fingerprint: 'abc' },
      command: ['train', '--epochs', '3'],
      seed: 7,
      precision: 'f16',
    });
    expect(run.environment()).toEqual(environment);
    if (environment.commit !== null) expect(environment.commit).toMatch(/^[0-9a-f]{40}(-dirty)?$/);
    for (const version of [environment.gmtl, environment.webgpu]) expect(version).toMatch(/^\d+\.\d+\.\d+/);
    expect(fs.existsSync(join(path, 'environment-2.json'))).toBe(true);
  });
});

describe('run lock', () => {
  const lockPath = () => join(root, 'run.lock');
  const holder = { pid: process.pid, host: hostname(), processStart: null, since: '2026-01-31', token: 'x' };
  const writeHolder = (change: object) => fs.writeFileSync(lockPath(), JSON.stringify({ ...holder, ...change }));

  test('keeps a second process out until released', async () => {
    const lock = await acquireRunLock(root);
    await expect(acquireRunLock(root)).rejects.toThrow(
      new RegExp(`process ${process.pid} has been training into this run`),
    );
    lock.release();
    lock.release();
    expect(fs.readdirSync(root)).toEqual([]);
    const second = await acquireRunLock(root);
    lock.release();
    expect(fs.existsSync(lockPath())).toBe(true);
    second.release();
  });

  test('B30: is taken where the file system has no hard links, and keeps others out', async () => {
    const linked = nodeFs.linkSync;
    nodeFs.linkSync = () => {
      throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' });
    };
    syncBuiltinESMExports();
    try {
      const lock = await acquireRunLock(root);
      await expect(acquireRunLock(root)).rejects.toThrow(/has been training into this run/);
      expect(fs.readdirSync(root)).toEqual(['run.lock']);
      lock.release();
      const { pid } = spawnSync(process.execPath, ['-e', '']);
      writeHolder({ pid });
      (await acquireRunLock(root)).release();
      expect(fs.readdirSync(root)).toEqual([]);
    } finally {
      nodeFs.linkSync = linked;
      syncBuiltinESMExports();
    }
  });

  test('is taken over from a dead process', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    writeHolder({ pid });
    const lock = await acquireRunLock(root);
    expect(JSON.parse(fs.readFileSync(lockPath(), 'utf8')).pid).toBe(process.pid);
    lock.release();
    expect(fs.readdirSync(root)).toEqual([]);
  });

  test.runIf(process.platform === 'linux')(
    'a living process that reuses the number of a dead one does not hold it',
    async () => {
      writeHolder({ processStart: '1' });
      (await acquireRunLock(root)).release();
      expect(fs.readdirSync(root)).toEqual([]);
    },
  );

  test('of another machine, or damaged, is left to the user', async () => {
    writeHolder({ host: 'elsewhere', pid: 1 });
    await expect(acquireRunLock(root)).rejects.toThrow(/process 1 on elsewhere.*delete/);
    fs.writeFileSync(lockPath(), 'rubbish');
    await expect(acquireRunLock(root)).rejects.toThrow(/not a lock file/);
    expect(fs.readdirSync(root)).toEqual(['run.lock']);
    await expect(acquireRunLock(join(root, 'absent'))).rejects.toThrow(/absent/);
  });
});
