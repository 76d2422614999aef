/** Tier: no adapter. How predictions.csv is written, read and merged. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InferResult } from './result.ts';
import { PredictionsTable, predictionsCsv } from './predictionsTable.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gmtl-table-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const resultOf = (file: string, grade: number): InferResult => ({
  file,
  frame: { width: 40, height: 30 },
  crop: { left: 0, top: 0, size: 30 },
  gate: { task: 'classification', probability: 0.75, probabilities: { segmentation: 0.25, classification: 0.75 } },
  experts: ['classification'],
  retinopathy: { grade, name: 'a "grade", quoted', probabilities: [0.1, 0.2, 0.3, 0.4, 0] },
  edema: null,
  lesions: null,
  tiles: 0,
  warnings: ['dark', 'small'],
});

const rows = () =>
  parse(readFileSync(join(folder, 'predictions.csv'), 'utf8'), { columns: true }) as Record<string, string>[];

describe('predictions.csv', () => {
  it('has a row an image, its cells empty where nothing was predicted', async () => {
    const table = PredictionsTable.open(folder);
    await table.add(resultOf('a, "b".png', 3));
    await table.add({ file: 'broken.png', error: 'cannot be read' });
    await table.write();
    const [seen, failed] = rows();
    expect(seen).toMatchObject({
      file: 'a, "b".png',
      retinopathy: '3',
      retinopathy_p3: '0.4',
      edema: '',
      gate_p: '0.75',
    });
    expect(seen).toMatchObject({ MA_pixels: '', warnings: 'dark; small', error: '' });
    expect(failed).toMatchObject({ file: 'broken.png', retinopathy: '', error: 'cannot be read' });
  });

  it('keeps the rows of other images, and replaces those of the same', async () => {
    const first = PredictionsTable.open(folder);
    await first.add(resultOf('a.png', 1));
    await first.add(resultOf('b.png', 2));
    await first.write();
    const second = PredictionsTable.open(folder);
    await second.add(resultOf('b.png', 4));
    await second.add(resultOf('c.png', 0));
    await second.write();
    expect(rows().map(({ file, retinopathy }) => [file, retinopathy])).toEqual([
      ['a.png', '1'],
      ['b.png', '4'],
      ['c.png', '0'],
    ]);
  });

  it('keeps the rows of a table that version 0.1 wrote', async () => {
    const grades = (task: string, count: number) => [task, ...Array.from({ length: count }, (_, k) => `${task}_p${k}`)];
    const areas = ['MA', 'HE', 'EX', 'SE', 'OD'].flatMap((one) => [`${one}_pixels`, `${one}_share`, `${one}_regions`]);
    const header = [
      ...['file', 'width', 'height', 'gate', 'gate_p', ...grades('retinopathy', 5), ...grades('edema', 3), ...areas],
      ...['tiles', 'warnings', 'error'],
    ];
    const old = header.map((column) => ({ file: 'old.png', gate_p: 0.7, retinopathy: 2, OD_pixels: 9 })[column] ?? '');
    writeFileSync(join(folder, 'predictions.csv'), `${header.join()}\n${old.join()}\n`);
    const table = PredictionsTable.open(folder);
    await table.add(resultOf('a.png', 1));
    await table.write();
    const [kept, added] = rows();
    expect(kept).toMatchObject({
      file: 'old.png',
      gate_p: '0.7',
      retinopathy: '2',
      OD_pixels: '9',
      id: '',
      OD_dice: '',
    });
    expect(added).toMatchObject({ file: 'a.png', retinopathy: '1', gate_classification: '0.75', retinopathy_true: '' });
  });

  it('has a row for an image of a data set beside one for the same file on its own', async () => {
    const evaluated = { id: 'B/test/1', file: 'a.png', task: 'classification', retinopathy_true: 3, retinopathy: 2 };
    writeFileSync(join(folder, 'predictions.csv'), predictionsCsv([evaluated]));
    const table = PredictionsTable.open(folder);
    await table.add(resultOf('a.png', 1));
    await table.write();
    expect(
      rows().map(({ id, file, retinopathy_true, retinopathy }) => [id, file, retinopathy_true, retinopathy]),
    ).toEqual([
      ['B/test/1', 'a.png', '3', '2'],
      ['', 'a.png', '', '1'],
    ]);
  });

  it('does not write over a file that is none of its own', () => {
    writeFileSync(join(folder, 'predictions.csv'), 'id,grade\n1,2\n');
    expect(() => PredictionsTable.open(folder)).toThrow(/predictions\.csv is no table.*other columns.*--out/);
    writeFileSync(join(folder, 'predictions.csv'), '"open');
    expect(() => PredictionsTable.open(folder)).toThrow(/cannot be read as CSV/);
  });
});
