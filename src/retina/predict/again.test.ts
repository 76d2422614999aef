/** Tier: no adapter. A folder of results that is worked on again, by several, or on a full disk: nothing is missing, lost or relabeled. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { tinyFundus } from '../data/testsupport.ts';
import { LOCK_WITHIN } from '../run/lock.ts';
import { loadTrainedWeights } from '../run/trainedWeights.ts';
import { parseHealthAddress, serveHealth, WorkerHealth } from './health.ts';
import {
  inferPictures,
  type InferPicturesOptions,
  lookOnce,
  outcomeLines,
  type PictureOutcome,
} from './inferPictures.ts';
import { collectInputs } from './inputs.ts';
import { Journal, JOURNAL_FILE } from './journal.ts';
import { mergeTables } from './merge.ts';
import { openPredictor } from './openPredictor.ts';
import { PictureThreads } from './pictureThreads.ts';
import { predictionsCsv, PREDICTIONS_FILE } from './predictionsTable.ts';
import type { Provenance } from './predictionRow.ts';
import type { Predictor } from './predictor.ts';
import { jobOf, parseJob } from './queueJob.ts';
import type { InferResult } from './result.ts';
import { lockResults, openResults } from './results.ts';
import { writeUntrainedRun } from './testsupport.ts';
import { takeWorkerFolder } from './workerFolder.ts';

let root = '';
let predictor: Predictor;
let previous: Engine | null = null;
const at = (...names: string[]): string => join(root, ...names);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-again-'));
  await writeUntrainedRun(at('run'));
  await mkdir(at('pictures'));
  for (const name of ['a.jpg', 'b.jpg']) await writeFile(at('pictures', name), await tinyFundus(1));
  const engine = new Engine(new ReferenceBackend(), { seed: 0 });
  previous = setEngine(engine);
  predictor = openPredictor(engine, await loadTrainedWeights(at('run')));
});
afterAll(async () => {
  predictor.dispose();
  setEngine(previous);
  await rm(root, { recursive: true, force: true });
});

const provenance = (adapter: string): Provenance => ({
  schema: 'gmtl-predictions-1',
  gmtl: '0',
  model: 'm',
  adapter,
  preprocessing: '0123456789abcdef',
});

/** One run of `gmtl infer --resume` on both pictures. */
async function run(
  folder: string,
  { name, ...options }: Partial<InferPicturesOptions> & { name: string },
  onPicture?: (outcome: PictureOutcome) => void,
) {
  const inputs = collectInputs([at('pictures')]);
  const results = await openResults(folder, inputs, true);
  const summary = await inferPictures(predictor, inputs, results, {
    ...{ choice: 'both', threshold: 0.5, provenance: provenance(name), onPicture },
    resume: { journal: new Journal(folder), model: 'm' },
    ...options,
  });
  const rows = parse(readFileSync(join(folder, PREDICTIONS_FILE), 'utf8'), { columns: true });
  const pictures = readdirSync(folder).filter((file) => file.endsWith('.png'));
  return { ...summary, adapters: (rows as Record<string, string>[]).map(({ adapter }) => adapter), pictures };
}

it('a resumed run writes the files that an earlier one was told to leave out, says so, and relabels nothing', async () => {
  const folder = at('resumed');
  const bare = { write: { masks: false, overlays: false } };
  expect(await run(folder, { name: 'first', ...bare })).toMatchObject({ recorded: 0, completed: 0, pictures: [] });
  expect(await run(folder, { name: 'second', ...bare })).toMatchObject({
    ...{ recorded: 2, completed: 0, pictures: [] },
    adapters: ['first', 'first'],
  });
  const masked = await run(folder, { name: 'third', write: { masks: true, overlays: false } });
  expect(masked).toMatchObject({ recorded: 0, completed: 2, adapters: ['third', 'third'] });
  expect(masked.pictures).toHaveLength(10);
  // Overlays are added, and the masks, which are of the same network, stay though none are asked for.
  const drawn = await run(folder, { name: 'fourth', write: { masks: false, overlays: true } });
  expect(drawn).toMatchObject({ completed: 2 });
  expect(drawn.pictures).toHaveLength(12);
  await rm(join(folder, 'a_MA.png'));
  expect(await run(folder, { name: 'fifth' })).toMatchObject({
    ...{ recorded: 1, completed: 1 },
    adapters: ['fifth', 'fourth'],
  });
  expect(existsSync(join(folder, 'a_MA.png'))).toBe(true);
});

it.runIf(existsSync('/dev/full'))('a full disk is named, not called a fault of gmtl', async () => {
  await mkdir(at('full'));
  symlinkSync('/dev/full', at('full', JOURNAL_FILE));
  await expect(run(at('full'), { name: 'x' })).rejects.toMatchObject({
    code: 'io/disk-full',
    message: expect.stringMatching(/done\.jsonl: the disk is full/) as string,
  });
});

it('two processes never write one folder: a second worker takes the next one, a named one is refused', async () => {
  const notes: string[] = [];
  const take = (id?: string) => takeWorkerFolder(at('workers'), id, 'node', (text) => notes.push(text));
  const [first, second] = [await take(), await take()];
  expect([first.id, second.id]).toEqual(['node', 'node-2']);
  expect(notes).toEqual([expect.stringMatching(/node-2, because another worker of this name writes/)]);
  await expect(take('node')).rejects.toThrow(
    /process \d+ has been writing results into this folder.*choose another folder/,
  );
  first.lock.release();
  expect((await take()).id).toBe('node');
  // A pod that was killed elsewhere must be able to go on here.
  const lock = at('elsewhere', 'infer.lock');
  await mkdir(at('elsewhere'));
  const holder = { pid: 1, host: 'gone', processStart: null, since: 'yesterday', token: 'x' };
  await writeFile(lock, JSON.stringify(holder));
  (await lockResults(at('elsewhere'), (text) => notes.push(text), { beat: 20, silent: 60 })).release();
  expect(notes.at(-1)).toMatch(/process 1 on gone has been .*cannot be seen from here: waiting/);
  expect(existsSync(lock)).toBe(false);
});

it('a holder in another container or on another machine keeps its folder while it touches its lock', async () => {
  const folder = at('contained');
  await mkdir(folder);
  const lock = join(folder, 'infer.lock');
  // Of this host's name, with a number that no process here has: the numbers of a container are its own.
  for (const [host, space] of [
    [hostname(), 'a container'],
    ['elsewhere', undefined],
  ]) {
    await writeFile(
      lock,
      JSON.stringify({ pid: 2 ** 22 + 1, host, space, processStart: '1', since: 'now', token: 'x' }),
    );
    // A clock that is a day behind.
    const touch = `const { utimesSync } = require('node:fs'); const lock = ${JSON.stringify(lock)};
      setInterval(() => { const late = Date.now() / 1000 - 86400; utimesSync(lock, late, late); }, 20);`;
    const other = new Worker(touch, { eval: true });
    await once(other, 'online');
    await expect(lockResults(folder, () => undefined, { beat: 50, silent: 10_000 })).rejects.toThrow(/Wait for it/);
    await other.terminate();
    (await lockResults(folder, () => undefined, { beat: 20, silent: 60 })).release();
  }
});

it('a process that lost its folder to another says so, and writes nothing more into it', async () => {
  const folder = at('lost');
  const lock = await lockResults(folder, () => undefined, { beat: 10, silent: 60 });
  const before = statSync(join(folder, 'infer.lock')).mtimeMs;
  await vi.waitFor(() => expect(statSync(join(folder, 'infer.lock')).mtimeMs).toBeGreaterThan(before));
  const { table } = await openResults(folder, [], true, lock);
  await table.add({ file: 'a.jpg', error: 'x' });
  const holder = { pid: 7, host: 'other', processStart: null, since: 'now', token: 'x' };
  await writeFile(join(folder, 'infer.lock'), JSON.stringify(holder));
  await writeFile(table.path, 'of the other');
  await expect(table.write()).rejects.toMatchObject({
    code: 'infer/locked',
    message: expect.stringMatching(/lost its lock.*process 7 on other has it now/) as string,
  });
  expect(readFileSync(table.path, 'utf8')).toBe('of the other');
  // Nor a picture's files, once the second in which it need not look is over.
  await vi.waitFor(() => expect(() => lock.confirm(LOCK_WITHIN)).toThrow(), { timeout: 2 * LOCK_WITHIN });
  const work = vi.fn<Parameters<typeof lookOnce>[0]>();
  const looking = lookOnce(work, { path: 'a.jpg', name: 'a' }, null, { folder }, lock);
  await expect(looking).rejects.toMatchObject({ code: 'infer/locked' });
  expect(work).not.toHaveBeenCalled();
  lock.release();
  expect(existsSync(join(folder, 'infer.lock'))).toBe(true);
});

it('a recorded picture whose DICOM files cannot be had keeps its row, and this is a warning', async () => {
  const folder = at('undated');
  await run(folder, { name: 'first' });
  const rows = () => readFileSync(join(folder, PREDICTIONS_FILE), 'utf8');
  const before = rows();
  const told: string[] = [];
  await mkdir(at('dicom'));
  // JPEG files lack every tag.
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.png'))) await rm(join(folder, file));
  const record = () => readFileSync(join(folder, JOURNAL_FILE), 'utf8');
  const recorded = record();
  const looked = vi.spyOn(predictor, 'predict');
  const again = await run(folder, { name: 'second', dicomOut: at('dicom') }, (outcome) =>
    told.push(...outcomeLines(outcome)),
  );
  // Nothing is computed for them again and again, and no mask written that the record does not name.
  expect(looked).not.toHaveBeenCalled();
  looked.mockRestore();
  expect([again.pictures, record()]).toEqual([[], recorded]);
  expect(again).toMatchObject({ failed: 0, recorded: 2, adapters: ['first', 'first'] });
  expect(rows()).toBe(before);
  expect(told.join('\n')).toMatch(/warning: its earlier result stays, without DICOM files: .*a\.jpg/);
});

it('a record finds what was just added, and gives its file back', async () => {
  const folder = at('record');
  await mkdir(folder);
  const journal = new Journal(folder);
  const done = { sha256: 's', model: 'm', name: 'é' };
  expect(journal.find(done)).toBeNull();
  for (const gate of [1, 2]) {
    journal.add({ ...done, result: { gate } as unknown as InferResult, files: [] });
    expect(journal.find(done)).toMatchObject({ result: { gate } });
    journal.close();
  }
  expect([...journal.entries()]).toHaveLength(1);
});

it('a job from the queue that would write outside the folder, or is none, is refused', () => {
  const entry = { id: '7', eye: 'left' };
  expect(parseJob({ path: '/a.jpg', name: 'a..b', frame: 2, entry, more: 1 })).toEqual({
    ...{ path: '/a.jpg', name: 'a..b', frame: 2, entry },
  });
  for (const name of ['../../../tmp/x', 'a/b', 'a\\b', '..', '.', 'a\0', '']) {
    expect(() => parseJob({ path: '/a.jpg', name })).toThrow(/no job of gmtl enqueue \(name: /);
  }
  expect(parseJob(jobOf({ path: '/eye\\left.jpg', name: 'eye\\left' }).data).name).toMatch(/^eye_left_[0-9a-f]{8}$/);
  for (const data of [{}, null, 'x', { name: 'a' }]) expect(() => parseJob(data)).toThrow(/no job of gmtl enqueue/);
});

it('merging tables of one picture by two adapters says so, and what to do', async () => {
  for (const adapter of ['one', 'two']) {
    await mkdir(at(`worker-${adapter}`));
    const row = { file: 'eye.jpg', retinopathy: 1, ...provenance(adapter) };
    await writeFile(at(`worker-${adapter}`, PREDICTIONS_FILE), predictionsCsv([row]));
  }
  await expect(mergeTables([at('worker-one'), at('worker-two')], at('merged.csv'), null)).rejects.toThrow(
    /1 picture is in more than one table: eye\.jpg\. They were computed by different adapter \(one, two\).*Leave out one adapter's/,
  );
});

it('a thread that ends takes its pictures with it: each is refused with the reason, and none waits for ever', async () => {
  const thread = at('thread.mjs');
  await writeFile(
    thread,
    "import { parentPort } from 'node:worker_threads';\nparentPort.on('message', ({ input }) => { if (input.name === 'b') process.exit(3); });\n",
  );
  const threads = new PictureThreads(
    ...([1, predictor, { folder: root, choice: 'both', threshold: 0.5 }, (result: InferResult) => result] as const),
    pathToFileURL(thread),
  );
  const waiting = ['a', 'b'].map((name) => threads.look({ path: `${name}.jpg`, name }));
  const ended = /a thread that decodes pictures ended \(exit code 3\).*--threads 0/;
  await Promise.all(waiting.map((one) => expect(one).rejects.toThrow(ended)));
  await expect(threads.look({ path: 'c.jpg', name: 'c' })).rejects.toThrow(ended);
  await threads.close();
});

it('a worker says over HTTP that it lives, whether it takes work, and that it hangs', async () => {
  let now = 0;
  const health = new WorkerHealth({ clock: () => now, stuckMinutes: 19 });
  const { url, close } = await serveHealth(health, parseHealthAddress('0'));
  const status = async (path: string) => (await fetch(url + path)).status;
  const all = async () => [await status('/startupz'), await status('/livez'), await status('/readyz')];
  expect([...(await all()), await status('/x')]).toEqual([503, 200, 503, 404]);
  health.state = 'working';
  expect(await all()).toEqual([200, 200, 503]);
  health.countJobs = () => Promise.resolve({ waiting: 7 });
  health.began();
  health.began();
  health.ended('failed');
  expect(await all()).toEqual([200, 200, 200]);
  now = 18 * 60_000;
  expect(await status('/livez')).toBe(200);
  now = 20 * 60_000;
  expect([...(await all()), await status('/')]).toEqual([200, 503, 503, 200]);
  expect(await (await fetch(url)).json()).toEqual({
    ...{ state: 'working', queue: { waiting: 7 }, done: 1, failed: 1, inHand: 1, secondsSinceProgress: 1200 },
  });
  const taken = parseHealthAddress(url.replace('http://', ''));
  await expect(serveHealth(health, taken)).rejects.toThrow(/cannot be had.*Give another port/);
  await expect(serveHealth(health, { host: '192.0.2.1', port: 0 })).rejects.toThrow(/cannot be had.*of this machine's/);
  await close();
  expect(parseHealthAddress('[::1]:80')).toEqual({ host: '::1', port: 80 });
  expect(parseHealthAddress('node-2:80')).toEqual({ host: 'node-2', port: 80 });
  for (const wrong of ['here', '::1', '::1:8080', '8080:9090', '[node]:80', ':80', '0.0.0.0:65536', '[::1]']) {
    expect(() => parseHealthAddress(wrong), wrong).toThrow(/0\.0\.0\.0:8080.*\[::\]:8080/);
  }
  await expect(serveHealth(health, { host: '2001:db8::1', port: 80 })).rejects.toThrow(/--health \[2001:db8::1\]:80/);
});
