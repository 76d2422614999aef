/**
 * Tier: any adapter, built command line. A queue's pictures are each in the table exactly once, whatever is killed on the way. Skipped, and counted as
 * skipped, where there is no redis-server.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGmtl, TINY_SETTINGS } from '../bench/trainProcess.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';

/** Debian's package redis-server has both. */
const PROGRAMS = { server: 'redis-server', client: 'redis-cli' };
const test = it.skipIf(spawnSync(PROGRAMS.server, ['--version']).error !== undefined);

/** Pictures in the queue. The suite keeps it short; GMTL_QUEUE_JOBS=500 is what docs/scale.md states. */
const JOBS = Number(process.env.GMTL_QUEUE_JOBS ?? 60);

let root = '';
let port = 0;
let server: ChildProcess | null = null;
const pictures = (): string => join(root, 'pictures');
const queue = (): string[] => ['--queue', `redis://127.0.0.1:${port}`];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-worker-'));
  const counts = { segmentationTrain: 2, segmentationTest: 1, gradingTrain: 4, gradingTest: 1 };
  await generateSyntheticIdrid({ directory: join(root, 'data'), size: 64, ...counts });
  const settings = [...TINY_SETTINGS, 'training.epochs=1', 'training.stepsPerEpoch=1'];
  await done('train', '--data', 'data', '--out', 'run', ...settings.flatMap((setting) => ['--set', setting]));
  await mkdir(pictures());
  const folder = join(root, 'data/B. Disease Grading/1. Original Images/a. Training Set');
  const eyes = await readdir(folder);
  for (let index = 0; index < JOBS - 1; index++) {
    await copyFile(join(folder, eyes[index % eyes.length]), join(pictures(), `eye-${index}.jpg`));
  }
  await writeFile(join(pictures(), 'broken.jpg'), 'no picture');
  port = await freePort();
});
afterAll(async () => {
  server?.kill();
  await rm(root, { recursive: true, force: true });
});

async function done(...words: string[]): Promise<string> {
  const run = startGmtl(words, root);
  expect(await run.ended, run.output()).toEqual({ code: 0, signal: null });
  return run.output();
}

function freePort(): Promise<number> {
  const listening = createServer();
  return new Promise((resolve) => {
    listening.listen(0, '127.0.0.1', () => {
      const address = listening.address();
      listening.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

async function startServer(): Promise<void> {
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', root, '--save', ''];
  server = spawn(PROGRAMS.server, [...options, '--appendonly', 'yes', '--appendfsync', 'always'], { stdio: 'ignore' });
  while (
    spawnSync(PROGRAMS.client, ['-p', String(port), 'ping'])
      .stdout?.toString()
      .trim() !== 'PONG'
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const worker = (id: string, ...more: string[]) =>
  startGmtl(
    [
      ...['worker', ...queue(), '--run', 'run', '--out', 'out', '--id', id, '--lock-seconds', '1'],
      ...['--no-overlays', '--no-masks', ...more],
    ],
    root,
  );

async function reached(id: string, count: number): Promise<void> {
  const record = join(root, `out/worker-${id}/done.jsonl`);
  while (!existsSync(record) || readFileSync(record, 'utf8').split('\n').length <= count) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a killed worker, a killed server, a worker that is asked to stop: each is in the table once', async () => {
  await startServer();
  expect(await done('enqueue', 'pictures', ...queue())).toContain(`${JOBS} of ${JOBS} pictures are new`);
  const first = worker('a');
  const second = worker('b');
  await reached('a', JOBS / 10);
  first.child.kill('SIGKILL');
  await first.ended;
  await reached('b', JOBS / 5);
  server?.kill('SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 300));
  await startServer();
  expect(await done('enqueue', 'pictures', ...queue())).toContain(`0 of ${JOBS} pictures are new`);
  await reached('b', JOBS / 3);
  second.child.kill('SIGTERM');
  expect((await second.ended).code, second.output()).toBe(143);
  // Those that had been killed or stopped go on with their records.
  const again = [worker('a', '--drain'), worker('b', '--drain')];
  for (const { ended, output } of again) expect((await ended).code, output()).toBe(0);
  await done('merge', 'out/worker-a', 'out/worker-b', '--out', 'merged.csv');
  const rows = parse(await readFile(join(root, 'merged.csv'), 'utf8'), { columns: true }) as Record<string, string>[];
  const files = (await readdir(pictures())).map((name) => join(pictures(), name));
  expect(rows.map(({ file }) => file).sort()).toEqual(files.sort());
  expect(rows.filter(({ error }) => error !== '').map(({ file }) => file)).toEqual([join(pictures(), 'broken.jpg')]);
  await killing();
});

/** A job that takes its worker down is given to one more, then it counts as failed. */
async function killing(): Promise<void> {
  const { Queue } = await import('bullmq');
  const connection = { url: `redis://127.0.0.1:${port}`, maxRetriesPerRequest: null };
  const stuck = new Queue('killers', { connection });
  await stuck.add('picture', { path: '/nowhere.jpg', name: 'x' }, { jobId: 'x', attempts: 3 });
  const script = `
    const { Worker } = await import('bullmq');
    new Worker('killers', () => process.kill(process.pid, 'SIGKILL'), {
      connection: ${JSON.stringify(connection)}, lockDuration: 1000, stalledInterval: 1000, maxStalledCount: 1 });`;
  let kills = 0;
  for (let life = 0; life < 2; life++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname });
    if ((await new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)))) === 'SIGKILL') kills++;
  }
  const run = worker('c', '--name', 'killers', '--drain');
  expect((await run.ended).code, run.output()).toBe(0);
  expect(kills).toBe(2);
  expect(await stuck.getJobCounts('failed', 'completed')).toEqual({ failed: 1, completed: 0 });
  await stuck.close();
}
