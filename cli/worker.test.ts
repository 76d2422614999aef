/**
 * Tier: any adapter, built command line. A queue's pictures are each in the table exactly once, whatever is killed on the way. Skipped, and counted as
 * skipped, where there is no redis-server.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGmtl, type TrainProcess } from '../bench/trainProcess.ts';
import { tinyFundus } from '../src/retina/data/testsupport.ts';
import { collectInputs } from '../src/retina/predict/inputs.ts';
import { PREDICTIONS_FILE } from '../src/retina/predict/predictionsTable.ts';
import type { HealthReport } from '../src/retina/predict/health.ts';
import { enqueuePictures } from '../src/retina/predict/queue.ts';
import { writeUntrainedRun } from '../src/retina/predict/testsupport.ts';

/** Debian's package redis-server has both. */
const PROGRAMS = { server: 'redis-server', client: 'redis-cli' };
const test = it.skipIf(spawnSync(PROGRAMS.server, ['--version']).error !== undefined);

/** Pictures in the queue. The suite keeps it short; GMTL_QUEUE_JOBS=500 is what docs/scale.md states. */
const JOBS = Number(process.env.GMTL_QUEUE_JOBS ?? 12);

let root = '';
let port = 0;
let server: ChildProcess | null = null;
const started: TrainProcess[] = [];
const pictures = (): string => join(root, 'pictures');
const address = () => ({ url: `redis://127.0.0.1:${port}`, name: 'gmtl' });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-worker-'));
  await writeUntrainedRun(join(root, 'run'));
  await mkdir(pictures());
  const fundus = await tinyFundus(1);
  for (let index = 0; index < JOBS - 1; index++) await writeFile(join(pictures(), `eye-${index}.jpg`), fundus);
  await writeFile(join(pictures(), 'broken.jpg'), 'no picture');
  port = await freePort();
});
afterAll(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  server?.kill();
  await rm(root, { recursive: true, force: true });
});

function freePort(): Promise<number> {
  const listening = createServer();
  return new Promise((resolve) => {
    listening.listen(0, '127.0.0.1', () => {
      const given = listening.address();
      listening.close(() => resolve(typeof given === 'object' && given ? given.port : 0));
    });
  });
}

async function startServer(): Promise<void> {
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', root, '--save', ''];
  server = spawn(PROGRAMS.server, [...options, '--appendonly', 'yes', '--appendfsync', 'always'], { stdio: 'ignore' });
  const ping = (): string =>
    spawnSync(PROGRAMS.client, ['-p', String(port), 'ping'])
      .stdout.toString()
      .trim();
  while (ping() !== 'PONG') await sleep(20);
}

function worker(id: string, ...more: string[]): TrainProcess {
  const words = ['worker', '--queue', address().url, '--run', 'run', '--out', 'out', '--id', id];
  const run = startGmtl([...words, '--lock-seconds', '2', '--no-overlays', '--no-masks', ...more], root);
  started.push(run);
  return run;
}

function recorded(id: string): number {
  const record = join(root, `out/worker-${id}/done.jsonl`);
  return existsSync(record) ? readFileSync(record, 'utf8').split('\n').length - 1 : 0;
}

/** Waits for a state that a process brings about; fails where the process ends before. */
async function until(reached: () => boolean | Promise<boolean>, { child, output }: TrainProcess): Promise<void> {
  while (!(await reached())) {
    expect(child.exitCode, output()).toBe(null);
    await sleep(10);
  }
}

/** A process waits for the only job of the queue and dies of it. */
async function dieOf(name: string): Promise<void> {
  const script = `
    const { Worker } = await import('bullmq');
    new Worker(${JSON.stringify(name)}, () => process.kill(process.pid, 'SIGKILL'), { connection: { url: ${JSON.stringify(address().url)},
      maxRetriesPerRequest: null }, lockDuration: 200, stalledInterval: 200, maxStalledCount: 2 });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname });
  expect((await once(child, 'exit'))[1]).toBe('SIGKILL');
}

const timeout = 120_000 + 500 * JOBS;
it('a server that nobody runs is said within seconds, with a code that schedulers try again', async () => {
  const away = startGmtl(['enqueue', 'pictures', '--queue', address().url], root);
  expect((await away.ended).code, away.output()).toBe(75);
  expect(away.output()).toMatch(/the queue's server cannot be used/);
});

test('a killed worker, a killed server, a deadly job, a worker that is asked to stop: each is in the table once', {
  timeout,
}, async () => {
  await startServer();
  const queue = new Queue(address().name, { connection: { url: address().url, maxRetriesPerRequest: null } });
  queue.on('error', () => undefined);
  const deadly = { path: join(root, 'deadly.jpg'), name: 'deadly' };
  await queue.add('picture', deadly, { jobId: 'deadly', attempts: 3 });
  await Promise.all([dieOf(address().name), dieOf(address().name), dieOf(address().name)]);

  const first = worker('a');
  const inputs = collectInputs([pictures()]);
  const half = JOBS / 2;
  expect(await enqueuePictures(address(), inputs.slice(0, half))).toBe(half);
  await until(() => recorded('a') > 0, first);
  first.child.kill('SIGKILL');
  await first.ended;

  // Started again it goes on with its record: what the kill kept from its table is put in.
  const health = await freePort();
  const again = worker('a', '--health', String(health));
  const asked = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${health}${path}`).catch(() => null);
    return { status: response?.status, report: (await response?.json()) as HealthReport | undefined };
  };
  await until(async () => (await asked('/readyz')).status === 200, again);
  const before = recorded('a');
  await until(() => recorded('a') > before || recorded('a') >= half - 1, again);
  server?.kill('SIGKILL');
  await once(server as ChildProcess, 'exit');
  await startServer();
  expect(await enqueuePictures(address(), inputs)).toBe(JOBS - half);
  await until(async () => (await queue.getCompletedCount()) === JOBS, again);
  expect(await asked('/livez')).toMatchObject({
    status: 200,
    report: { state: 'working', queue: { active: 0, failed: 1 }, inHand: 0 },
  });
  again.child.kill('SIGTERM');
  expect((await again.ended).code, again.output()).toBe(143);
  expect(await queue.getJobCounts('failed', 'waiting', 'active')).toEqual({ failed: 1, waiting: 0, active: 0 });
  expect((await queue.getFailed()).map(({ data }) => data.path)).toEqual([deadly.path]);
  await queue.close();

  const table = await readFile(join(root, 'out/worker-a', PREDICTIONS_FILE), 'utf8');
  const rows = parse(table, { columns: true }) as Record<string, string>[];
  const files = (await readdir(pictures())).map((name) => join(pictures(), name));
  expect(rows.map(({ file }) => file).sort()).toEqual(files.sort());
  expect(rows.filter(({ error }) => error !== '').map(({ file }) => file)).toEqual([join(pictures(), 'broken.jpg')]);
});
