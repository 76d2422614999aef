/** Tier: no adapter, slow. Checkpoints survive crashes at each file operation, full disks, and kills of a real process. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FileOperations, nodeFileOperations } from '../../engine/node/atomic.ts';
import type { StoredTensor } from '../../engine/io/safetensors.ts';
import { type CheckpointPayload, cleanCheckpoints, loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { decodeMetric } from './checkpointFormat.ts';

let run = '';
let folder = '';
beforeEach(() => {
  run = fs.mkdtempSync(join(tmpdir(), 'gmtl-checkpoint-'));
  folder = join(run, 'checkpoints');
});
afterEach(() => fs.rmSync(run, { recursive: true }));

const tensor = (...values: number[]): StoredTensor => ({
  dtype: 'F32',
  shape: [values.length],
  data: new Float32Array(values),
});
const payload = (step: number): CheckpointPayload => ({
  weights: new Map([['stem.0.weight', tensor(step, 1)]]),
  ema: new Map([['stem.0.weight', tensor(step, 2)]]),
  state: new Map([['stem.0.weight.moment1', tensor(step, 3)]]),
  step,
  epoch: Math.floor(step / 10),
  config: { model: { trunk: 'atto' } },
  metrics: { loss: 0.5, dice: Number.NaN, worst: -Infinity },
  sampler: { epoch: 1, position: 3 },
  random: { key: [1, 2] },
});

describe('save and load', () => {
  test('gives back what was saved, from the run, its folder, or the manifest', async () => {
    await saveCheckpoint(folder, 'last', payload(7));
    for (const path of [run, folder, join(folder, 'last.json')]) {
      const loaded = await loadCheckpoint(path);
      expect(loaded.weights.get('stem.0.weight')).toEqual(tensor(7, 1));
      expect(loaded.ema!.get('stem.0.weight')).toEqual(tensor(7, 2));
      expect(loaded.state!.get('stem.0.weight.moment1')).toEqual(tensor(7, 3));
      expect(loaded.manifest).toMatchObject({ step: 7, epoch: 0, sampler: { position: 3 }, random: { key: [1, 2] } });
      expect(decodeMetric(loaded.manifest!.metrics.dice)).toBeNaN();
      expect(decodeMetric(loaded.manifest!.metrics.worst)).toBe(-Infinity);
    }
  });

  test('reads only the roles asked for, and a bare weights file', async () => {
    const { files } = await saveCheckpoint(folder, 'last', payload(7));
    fs.rmSync(join(folder, files.state!.name));
    const loaded = await loadCheckpoint(run, { roles: ['ema'] });
    expect([loaded.ema === undefined, loaded.state === undefined]).toEqual([false, true]);
    const bare = await loadCheckpoint(join(folder, files.weights.name));
    expect(bare.manifest).toBeUndefined();
    expect(bare.weights.get('stem.0.weight')).toEqual(tensor(7, 1));
  });

  test('last and best live side by side, and only the newest files of each stay', async () => {
    await saveCheckpoint(folder, 'best', payload(1));
    for (const step of [1, 2, 2, 3]) await saveCheckpoint(folder, 'last', payload(step));
    expect((await loadCheckpoint(run, { name: 'best' })).manifest!.step).toBe(1);
    expect((await loadCheckpoint(run)).manifest!.step).toBe(3);
    expect(fs.readdirSync(folder)).toHaveLength(8);
  });

  test('cleaning removes orphans and leaves checkpoints alone', async () => {
    await saveCheckpoint(folder, 'last', payload(1));
    const before = fs.readdirSync(folder);
    const orphan = 'best-step00000009-0123456789ab.state.safetensors';
    fs.writeFileSync(join(folder, orphan), '');
    fs.writeFileSync(join(folder, '.last.json.0123456789abcdef.gmtl-tmp'), '');
    fs.writeFileSync(join(folder, 'mine.safetensors'), '');
    expect((await cleanCheckpoints(folder)).sort()).toEqual(['.last.json.0123456789abcdef.gmtl-tmp', orphan]);
    expect(fs.readdirSync(folder).sort()).toEqual([...before, 'mine.safetensors'].sort());
  });
});

describe('refuses, saying why', () => {
  test('damaged data', async () => {
    const { files } = await saveCheckpoint(folder, 'last', payload(7));
    const path = join(folder, files.weights.name);
    const bytes = fs.readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    fs.writeFileSync(path, bytes);
    await expect(loadCheckpoint(run)).rejects.toThrow(/another SHA-256/);
    fs.truncateSync(path, bytes.length - 1);
    await expect(loadCheckpoint(run)).rejects.toThrow(/bytes, its manifest says/);
    fs.rmSync(path);
    await expect(loadCheckpoint(run)).rejects.toThrow(/no such file/);
  });

  test('damaged, foreign and newer manifests', async () => {
    await saveCheckpoint(folder, 'last', payload(7));
    const path = join(folder, 'last.json');
    const manifest = JSON.parse(fs.readFileSync(path, 'utf8'));
    const cases: [string, RegExp][] = [
      ['{"format"', /no valid JSON/],
      ['{"a":1}', /no checkpoint manifest/],
      [JSON.stringify({ ...manifest, formatVersion: 2 }), /format 2.*Update gmtl/],
      [JSON.stringify({ ...manifest, step: 'x' }), /damaged.*step/],
      [
        JSON.stringify({ ...manifest, files: { weights: { ...manifest.files.weights, name: '../x.safetensors' } } }),
        /damaged.*files.weights.name/,
      ],
    ];
    for (const [text, message] of cases) {
      fs.writeFileSync(path, text);
      await expect(loadCheckpoint(run)).rejects.toThrow(message);
    }
  });

  test('a missing path, an empty folder, another name, values JSON would lose', async () => {
    await expect(loadCheckpoint(join(run, 'nowhere'))).rejects.toThrow(/no such file or folder/);
    await expect(loadCheckpoint(run)).rejects.toThrow(/holds no checkpoint/);
    await saveCheckpoint(folder, 'best', payload(7));
    await expect(loadCheckpoint(run)).rejects.toThrow(/no checkpoint named "last"; it has best.json/);
    await expect(saveCheckpoint(folder, 'last', { ...payload(7), sampler: { at: [Number.NaN] } })).rejects.toThrow(
      /sampler.at\[0\]/,
    );
    await expect(saveCheckpoint(folder, '../x', payload(7))).rejects.toThrow(/checkpoint name/);
  });
});

/** File operations that work until the `limit`-th, which is half done; from then on, as after a kill, nothing works any more. */
function operationsUntil(limit: number): { files: FileOperations; count: () => number } {
  let count = 0;
  const guard = async (halfDone: () => Promise<void>, whole: () => Promise<void>): Promise<void> => {
    count += 1;
    if (count < limit) return whole();
    if (count === limit) await halfDone();
    throw new Error('killed');
  };
  const nothing = async () => {};
  const real = nodeFileOperations;
  const files: FileOperations = {
    makeFolder: (path) => guard(nothing, () => real.makeFolder(path)),
    createSynced: (path, data) =>
      guard(
        () => real.createSynced(path, data.subarray(0, data.length >> 1)),
        () => real.createSynced(path, data),
      ),
    rename: (from, to) => guard(nothing, () => real.rename(from, to)),
    unlink: (path) => guard(nothing, () => real.unlink(path)),
    syncFolder: (path) => guard(nothing, () => real.syncFolder(path)),
  };
  return { files, count: () => count };
}

test('a crash at each file operation leaves the old or the new checkpoint whole, and the next start cleans up', async () => {
  const probe = operationsUntil(Infinity);
  await saveCheckpoint(folder, 'last', payload(1));
  await saveCheckpoint(folder, 'last', payload(2), probe.files);
  const operations = probe.count();
  expect(operations).toBeGreaterThan(15);
  let current = 2;
  const seen = new Set<string>();
  for (let limit = 1; limit <= operations; limit++) {
    const crash = operationsUntil(limit);
    await expect(saveCheckpoint(folder, 'last', payload(current + 1), crash.files)).rejects.toThrow('killed');
    const loaded = await loadCheckpoint(run);
    const step = loaded.manifest!.step;
    expect([current, current + 1]).toContain(step);
    expect([loaded.weights, loaded.ema, loaded.state]).toEqual([
      payload(step).weights,
      payload(step).ema,
      payload(step).state,
    ]);
    seen.add(step === current ? 'old' : 'new');
    current = step;
    await cleanCheckpoints(folder);
    expect(fs.readdirSync(folder)).toHaveLength(4);
  }
  expect(seen).toEqual(new Set(['old', 'new']));
});

test('a disk that fills up at any write keeps the old checkpoint and leaves no litter', async () => {
  await saveCheckpoint(folder, 'last', payload(1));
  const before = fs.readdirSync(folder);
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  for (const failing of [1, 2, 3, 4]) {
    let writes = 0;
    const files: FileOperations = {
      ...nodeFileOperations,
      async createSynced(path, data) {
        writes += 1;
        await nodeFileOperations.createSynced(path, writes === failing ? data.subarray(0, 1) : data);
        if (writes === failing) throw full;
      },
    };
    await expect(saveCheckpoint(folder, 'last', payload(5), files)).rejects.toMatchObject({ code: 'io/disk-full' });
    expect(fs.readdirSync(folder)).toEqual(before);
    expect((await loadCheckpoint(run)).manifest!.step).toBe(1);
  }
});

/** Saves checkpoints until killed. Arguments: the checkpoints folder, and the step to begin after. */
const SAVING_LOOP = `
import { cleanCheckpoints, saveCheckpoint } from './out/src/retina/run/checkpoint.js';
const [folder, firstStep] = process.argv.slice(2);
await cleanCheckpoints(folder);
for (let step = Number(firstStep) + 1; ; step++) {
  const weights = new Map([['weight', { dtype: 'F32', shape: [20000], data: new Float32Array(20000).fill(step) }]]);
  const rest = { epoch: 0, config: {}, metrics: { loss: step }, sampler: null, random: null };
  await saveCheckpoint(folder, 'last', { weights, state: weights, step, ...rest });
  process.stdout.write(step + '\\n');
}
`;

describe('a real process, killed at random moments', () => {
  // Node 20 runs no TypeScript: the child's files are compiled into a folder below node_modules, where their imports resolve.
  const root = resolve(import.meta.dirname, '../../..');
  let compiled = '';
  let child: ChildProcess | undefined;
  beforeAll(() => {
    fs.mkdirSync(join(root, 'node_modules', '.cache'), { recursive: true });
    compiled = fs.mkdtempSync(join(root, 'node_modules', '.cache', 'gmtl-kill-'));
    const project = join(compiled, 'tsconfig.json');
    fs.writeFileSync(
      project,
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: {
          noEmit: false,
          outDir: join(compiled, 'out'),
          rootDir: root,
          types: ['node'],
          noCheck: true,
        },
        files: [join(root, 'src/retina/run/checkpoint.ts')],
        include: [],
      }),
    );
    fs.writeFileSync(join(compiled, 'package.json'), fs.readFileSync(join(root, 'package.json')));
    fs.writeFileSync(join(compiled, 'child.js'), SAVING_LOOP);
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
    execFileSync(process.execPath, [compiler, '-p', project], { stdio: 'pipe' });
  });
  afterEach(() => {
    child?.kill('SIGKILL');
  });
  afterAll(() => fs.rmSync(compiled, { recursive: true, force: true }));

  test('the latest checkpoint loads after each of 10 kills', async () => {
    let step = 0;
    for (let kill = 0; kill < 10; kill++) {
      const running = spawn(process.execPath, [join(compiled, 'child.js'), folder, String(step)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      child = running;
      const ended = new Promise<number | null>((done) => running.once('close', done));
      let reported = step;
      // The moment is random on purpose: each run of the test tries others. Any failure is a real one.
      const moment = new Promise<void>((done) => {
        running.stdout.on('data', (data: Buffer) => {
          if (reported === step) setTimeout(done, Math.random() * 40);
          reported = Math.max(reported, ...data.toString().trim().split('\n').map(Number));
        });
      });
      const first = await Promise.race([moment, ended.then((code) => `the child ended by itself with code ${code}`)]);
      expect(first).toBeUndefined();
      running.kill('SIGKILL');
      await ended;
      const { manifest, weights } = await loadCheckpoint(folder);
      expect(manifest!.step).toBeGreaterThanOrEqual(reported);
      expect(weights.get('weight')!.data[19_999]).toBe(manifest!.step);
      step = manifest!.step;
    }
    expect(step).toBeGreaterThanOrEqual(10);
    await cleanCheckpoints(folder);
    expect(fs.readdirSync(folder)).toHaveLength(3);
  });
});
