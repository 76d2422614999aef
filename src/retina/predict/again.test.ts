/** Tier: no adapter. A folder of results that is worked on again, by several, or on a full disk: nothing is missing, lost or relabelled. */
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Engine, setEngine } from '../../engine/autograd/engine.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { tinyFundus } from '../data/testsupport.ts';
import { loadTrainedWeights } from '../run/trainedWeights.ts';
import { parseHealthAddress, serveHealth, WorkerHealth } from './health.ts';
import { inferPictures, type InferPicturesOptions, type PictureOutcome } from './inferPictures.ts';
import { collectInputs } from './inputs.ts';
import { Journal, JOURNAL_FILE } from './journal.ts';
import { mergeTables } from './merge.ts';
import { openPredictor } from './openPredictor.ts';
import { PictureThreads } from './pictureThreads.ts';
import { predictionsCsv, PREDICTIONS_FILE } from './predictionsTable.ts';
import type { Provenance } from './predictionRow.ts';
import type { Predictor } from './predictor.ts';
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
  const [first, second] = [take(), take()];
  expect([first.id, second.id]).toEqual(['node', 'node-2']);
  expect(notes).toEqual([expect.stringMatching(/node-2, because 1 other/)]);
  expect(() => take('node')).toThrow(/process \d+ has been writing results into this folder.*choose another folder/);
  first.lock.release();
  expect(take().id).toBe('node');
  // A pod that was killed elsewhere must be able to go on here.
  const lock = at('elsewhere', 'infer.lock');
  await mkdir(at('elsewhere'));
  const holder = { pid: 1, host: 'gone', processStart: null, since: 'yesterday', token: 'x' };
  await writeFile(lock, JSON.stringify(holder));
  lockResults(at('elsewhere'), (text) => notes.push(text)).release();
  expect(notes.at(-1)).toMatch(/process 1 on gone has been .*cannot see whether it still runs/);
  expect(existsSync(lock)).toBe(false);
});

it('merging tables of one picture by two adapters says so, and what to do', async () => {
  for (const adapter of ['one', 'two']) {
    await mkdir(at(`worker-${adapter}`));
    const row = { file: 'eye.jpg', retinopathy: 1, ...provenance(adapter) };
    await writeFile(at(`worker-${adapter}`, PREDICTIONS_FILE), predictionsCsv([row]));
  }
  await expect(mergeTables([at('worker-one'), at('worker-two')], at('merged.csv'), null)).rejects.toThrow(
    /1 pictures are in more than one table: eye\.jpg\. They were computed by different adapter \(one, two\).*Leave the folders of one/,
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
  const health = new WorkerHealth(() => now);
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
  now = 20 * 60_000;
  expect([...(await all()), await status('/')]).toEqual([200, 503, 503, 200]);
  expect(await (await fetch(url)).json()).toEqual({
    ...{ state: 'working', queue: { waiting: 7 }, done: 1, failed: 1, inHand: 1, secondsSinceProgress: 1200 },
  });
  const taken = parseHealthAddress(url.replace('http://', ''));
  await expect(serveHealth(health, taken)).rejects.toThrow(/cannot be had/);
  await close();
  expect(() => parseHealthAddress('here')).toThrow(/0\.0\.0\.0:8080/);
});
