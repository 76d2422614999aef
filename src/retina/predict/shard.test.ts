/** Tier: no adapter. Lists of pictures, their parts, the record of what is done, and tables joined again. */
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectInputs, nameInputs } from './inputs.ts';
import { Journal, JOURNAL_FILE } from './journal.ts';
import { readManifest, readPaths } from './manifest.ts';
import { mergeTables } from './merge.ts';
import { predictionsCsv } from './predictionsTable.ts';
import type { InferResult } from './result.ts';
import { parseShard, partOf, shardFolder } from './shard.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-shard-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a shard', () => {
  it.each([
    ['3/10', {}, { index: 3, count: 10 }],
    [
      'auto',
      { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_TASK_MIN: '5', SLURM_ARRAY_TASK_COUNT: '4' },
      { index: 3, count: 4 },
    ],
    ['auto', { SLURM_PROCID: '1', SLURM_STEP_NUM_TASKS: '8' }, { index: 2, count: 8 }],
    ['auto', { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '2' }, { index: 1, count: 2 }],
    ['auto', { PMI_RANK: '1', PMI_SIZE: '2' }, { index: 2, count: 2 }],
    ['auto/5', { JOB_COMPLETION_INDEX: '4' }, { index: 5, count: 5 }],
    ['auto/3', { PARALLEL_SEQ: '3' }, { index: 3, count: 3 }],
  ] as const)('%s under %j is %j', (text, environment, shard) => {
    expect(parseShard(text, environment)).toEqual(shard);
  });

  it.each([
    ['0/4', {}, /part 0 of 4 does not exist/],
    ['5/4', {}, /part 5 of 4 does not exist/],
    ['3', {}, /is not part of a list/],
    ['a/b', {}, /is not part of a list/],
    ['auto', {}, /no launcher is recognized/],
    ['auto', { JOB_COMPLETION_INDEX: '4' }, /a Kubernetes Indexed Job does not say how many/],
    ['auto/3', { PARALLEL_SEQ: '4' }, /part 4 of 3 does not exist/],
    ['auto/3', { PMI_RANK: '1', PMI_SIZE: '2' }, /started 2 processes/],
  ] as const)('%s under %j is refused', (text, environment, message) => {
    expect(() => parseShard(text, environment)).toThrow(message);
  });

  it('is every n-th; all together are the list, each once', () => {
    const list = Array.from({ length: 11 }, (_, index) => index);
    const parts = [1, 2, 3, 4].map((index) => partOf(list, { index, count: 4 }));
    expect(parts[1]).toEqual([1, 5, 9]);
    expect(parts.flat().sort((a, b) => a - b)).toEqual(list);
  });
});

describe('a list of pictures', () => {
  it('is read from CSV and from JSON lines, relative to itself, with ids and what else it says', async () => {
    const csv = join(root, 'list.csv');
    await writeFile(csv, 'id,path,eye,note\nA1,a.jpg,left,x\n,"b, c.jpg",,\n');
    expect(await readManifest(csv)).toEqual([
      { id: 'A1', path: join(root, 'a.jpg'), eye: 'left' },
      { path: join(root, 'b, c.jpg') },
    ]);
    const lines = join(root, 'list.jsonl');
    await writeFile(lines, '{"path":"a.jpg","id":"x/1","patient":"p"}\n\n{"path":"b.jpg"}\n');
    const inputs = nameInputs(await readManifest(lines));
    expect(inputs).toEqual([
      { path: join(root, 'a.jpg'), name: 'x_1', entry: { id: 'x/1', patient: 'p' } },
      { path: join(root, 'b.jpg'), name: 'b' },
    ]);
    expect(await readPaths(Readable.from(['a.jpg\nsub/b', '.jpg\n\n']))).toEqual(['a.jpg', 'sub/b.jpg']);
  });

  it.each([
    ['bad.jsonl', '{"path":"a.jpg"}\n{"id":"x"}\n', /bad\.jsonl, line 2: path/],
    ['broken.jsonl', '{"path":\n', /broken\.jsonl, line 1/],
    ['bad.csv', 'file\na.jpg\n', /bad\.csv, line 2: path/],
    ['list.txt', 'a.jpg\n', /ends in \.csv or \.jsonl/],
    ['none.csv', 'path\n', /names no picture/],
  ])('%s is refused with its line', async (name, text, message) => {
    await writeFile(join(root, name), text);
    await expect(readManifest(join(root, name))).rejects.toThrow(message);
  });

  it('goes into subfolders when asked to', async () => {
    await mkdir(join(root, 'tree/b/c'), { recursive: true });
    for (const file of ['z.jpg', 'b/y.png', 'b/c/x.tif', 'b/note.txt']) await writeFile(join(root, 'tree', file), '');
    const paths = (recursive: boolean) => collectInputs([join(root, 'tree')], { recursive }).map(({ path }) => path);
    expect(paths(false)).toEqual([join(root, 'tree/z.jpg')]);
    expect(paths(true)).toEqual(['z.jpg', 'b/y.png', 'b/c/x.tif'].map((file) => join(root, 'tree', file)));
  });
});

it('the record of what is done finds content, network and name together, and survives a cut line', async () => {
  const folder = join(root, 'journal');
  await mkdir(folder);
  const done = { sha256: 'aa', model: 'm', name: 'eye' };
  const what = { result: { file: 'eye.jpg', tiles: 3 } as InferResult, files: [] };
  new Journal(folder).add({ ...done, ...what });
  await appendFile(join(folder, JOURNAL_FILE), '{"sha256":"bb","mo');
  const again = new Journal(folder);
  expect(again.find(done)).toMatchObject(what);
  for (const other of [{ sha256: 'bb' }, { model: 'n' }, { name: 'eye2' }])
    expect(again.find({ ...done, ...other })).toBeNull();
  again.add({ ...done, ...what, sha256: 'cc' });
  const last = new Journal(folder);
  expect(last.find({ ...done, sha256: 'cc' })).toMatchObject(what);
  // The files of that name show the other picture now.
  expect(last.find(done)).toBeNull();
});

describe('merging', () => {
  const rows = Array.from({ length: 10 }, (_, index) => ({
    file: `p${index}.jpg`,
    error: index === 4 ? 'damaged, "so"' : '',
  }));
  const write = async (name: string, part: readonly (typeof rows)[number][]): Promise<string> => {
    const folder = join(root, name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'predictions.csv'), predictionsCsv(part));
    return folder;
  };

  it('gives the table of one inference, in whatever order the shards are named', async () => {
    const folders = await Promise.all(
      [3, 1, 2].map((index) => write(`all/${shardFolder({ index, count: 3 })}`, partOf(rows, { index, count: 3 }))),
    );
    const out = join(root, 'merged.csv');
    expect(
      await mergeTables(
        folders,
        out,
        rows.map(({ file }) => file),
      ),
    ).toEqual({ rows: 10, failed: 1, notes: [] });
    expect(await readFile(out, 'utf8')).toBe(predictionsCsv(rows));
    await expect(mergeTables(folders.slice(1), out, null)).rejects.toThrow(/of 3 shards these are missing: 3/);
    await expect(mergeTables(folders, out, ['p3.jpg', 'p99.jpg'])).rejects.toThrow(
      /1 picture is in no table: p99\.jpg/,
    );
    const twice = await write('again', rows.slice(2, 4));
    await expect(mergeTables([...folders, twice], out, null)).rejects.toThrow(
      /2 pictures are in more than one table: p2\.jpg, p3\.jpg/,
    );
  });

  it('counts a row that two workers of a queue wrote once, and refuses two rows of one picture', async () => {
    const folders = [await write('queue/worker-a', rows.slice(0, 6)), await write('queue/worker-b', rows.slice(4))];
    const out = join(root, 'queue.csv');
    expect(await mergeTables(folders, out, null)).toEqual({ rows: 10, failed: 1, notes: [] });
    expect(await readFile(out, 'utf8')).toBe(predictionsCsv(rows));
    const other = await write('queue/worker-c', [{ ...rows[0], error: 'another' }]);
    await expect(mergeTables([...folders, other], out, null)).rejects.toThrow(
      /1 picture is in more than one table: p0/,
    );
  });

  it('names a table that a kill cut short: it was called a fault in gmtl', async () => {
    const out = join(root, 'cut.csv');
    const folder = await write('cut', rows);
    const whole = predictionsCsv(rows);
    // In the middle of a row, within a quoted cell, and before the last line break.
    for (const length of [whole.length - 20, whole.indexOf('"so') + 1, whole.length - 1]) {
      await writeFile(join(folder, 'predictions.csv'), whole.slice(0, length));
      await expect(mergeTables([folder], out, null)).rejects.toMatchObject({
        code: 'infer/merge',
        message: expect.stringMatching(/cut.predictions\.csv: .*Run it again with --resume/),
      });
    }
    expect(existsSync(out)).toBe(false);
    // As a spreadsheet saves it.
    await writeFile(join(folder, 'predictions.csv'), `\ufeff${whole.replaceAll('\n', '\r\n')}`);
    expect(await mergeTables([folder], out, null)).toMatchObject({ rows: 10, failed: 1 });
  });

  it('says where rows are of different networks, and refuses different schemas', async () => {
    const made = (part: typeof rows, cells: object) =>
      part.map((row) => ({ ...row, schema: 'gmtl-predictions-1', ...cells }));
    const one = await write('mixed/one', made(rows.slice(0, 5), { model: 'aa', gmtl: '0.2.0' }));
    const two = await write('mixed/two', made(rows.slice(5), { model: 'bb', gmtl: '0.2.0' }));
    const out = join(root, 'mixed.csv');
    expect((await mergeTables([one, two], out, null)).notes).toEqual([
      'the rows are of 2 networks (column model: aa, bb)',
    ]);
    const newer = await write('mixed/newer', made(rows.slice(5), { schema: 'gmtl-predictions-2' }));
    await expect(mergeTables([one, newer], join(root, 'newer.csv'), null)).rejects.toThrow(
      /schemas whose columns mean different things/,
    );
    expect(existsSync(join(root, 'newer.csv'))).toBe(false);
  });

  it('replaces no table of the user’s', async () => {
    const folder = await write('own', rows);
    const out = join(root, 'mine.csv');
    await writeFile(out, 'mine');
    await expect(mergeTables([folder], out, null)).rejects.toMatchObject({ code: 'io/exists' });
    expect(await readFile(out, 'utf8')).toBe('mine');
  });
});
