/** Tier: no adapter. How predictions.csv is written, read and merged. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expandFrames } from './frames.ts';
import { PREDICTIONS_SCHEMA, predictionRowSchema } from './predictionRow.ts';
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
  retinopathy: {
    grade,
    name: 'a "grade", quoted',
    probabilities: [0.1, 0.2, 0.3, 0.4, 0],
    uncertainty: { entropy: 0.8 },
  },
  edema: null,
  lesions: null,
  tiles: 0,
  trust: {
    trainedOn: 'not recorded',
    likeness: { distance: 1.5, isLike: false, farthest: { trait: 'mean red', deviations: -4 } },
    gradability: { gradable: false, reasons: [{ fault: 'focus', text: 'out of focus' }] },
  },
  warnings: ['dark', 'small'],
});

const rows = () =>
  parse(readFileSync(join(folder, 'predictions.csv'), 'utf8'), { columns: true }) as Record<string, string>[];

describe('the frames of DICOM files', () => {
  const eye = (name: string) => ({
    path: fileURLToPath(new URL(`../data/pictures/fixtures/dicom/${name}`, import.meta.url)),
    name,
  });

  it('are inputs of their own, with names of their own, or the one that is asked for', async () => {
    const inputs = [eye('rgb.dcm'), eye('frames.dcm'), eye('eye.png')].map(({ path, name }) => ({
      path,
      name: name.slice(0, -4),
    }));
    expect((await expandFrames(inputs)).map(({ name, frame }) => [name, frame])).toEqual([
      ['rgb', undefined],
      ['frames_frame1', 1],
      ['frames_frame2', 2],
      ['frames_frame3', 3],
      ['eye', undefined],
    ]);
    expect(await expandFrames(inputs.slice(1, 2), { frame: 2 })).toEqual([
      { ...inputs[1], name: 'frames_frame2', frame: 2 },
    ]);
    await expect(expandFrames(inputs, { frame: 2 })).rejects.toMatchObject({ code: 'infer/frame' });
    await expect(expandFrames(inputs, { frame: 0 })).rejects.toMatchObject({ code: 'cli/usage' });
    await expect(expandFrames(inputs, { dicomOut: true })).rejects.toThrow(/eye\.png is not a DICOM file/);
    const clash = { ...inputs[0], name: 'Frames_frame2' };
    await expect(expandFrames([inputs[1], clash])).rejects.toThrow('Rename one');
  });
});

describe('predictions.csv', () => {
  it('has a row per image, its cells empty where nothing was predicted', async () => {
    const table = await PredictionsTable.open(folder);
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
    expect(seen).toMatchObject({
      MA_pixels: '',
      warnings: 'dark; small',
      unlike: '1.5',
      gradable: 'no',
      faults: 'focus',
      error: '',
    });
    expect(failed).toMatchObject({ file: 'broken.png', retinopathy: '', error: 'cannot be read' });
  });

  it('says of each row where it comes from, whose eye it shows, and the same in JSON lines under the schema', async () => {
    const provenance = {
      ...{
        schema: PREDICTIONS_SCHEMA,
        gmtl: '1.0.0',
        model: '0123456789abcdef',
        adapter: 'an adapter',
        preprocessing: 'fedcba9876543210',
      },
    } as const;
    const dicom: InferResult['dicom'] = {
      frames: 2,
      frame: 2,
      laterality: 'left',
      pixelSpacing: [0.0125, 0.025],
      patientId: '0042',
      studyUid: '1.2.3',
    };
    const table = await PredictionsTable.open(folder);
    await table.add({ ...resultOf('eyes.dcm', 3), dicom: { ...dicom, frame: 1 } }, {}, provenance);
    await table.add({ ...resultOf('eyes.dcm', 1), dicom }, {}, provenance);
    await table.add(resultOf('listed.png', 0), { entry: { id: 'one', patient: 'P7', eye: 'right' } }, provenance);
    await table.add({ file: 'broken.dcm', error: 'cannot be read' }, { frame: 3 }, provenance);
    await table.write();
    for (const row of rows()) expect(row).toMatchObject(provenance);
    expect(rows().map(({ file, frame, patient, study, eye }) => [file, frame, patient, study, eye])).toEqual([
      ['eyes.dcm', '1', '0042', '1.2.3', 'left'],
      ['eyes.dcm', '2', '0042', '1.2.3', 'left'],
      ['listed.png', '', 'P7', '', 'right'],
      ['broken.dcm', '3', '', '', ''],
    ]);
    expect(rows()[1]).toMatchObject({ row_spacing: '0.0125', column_spacing: '0.025' });
    // Read again and written: numbers stay numbers, text that looks like one stays text.
    await (await PredictionsTable.open(folder)).write();
    const lines = readFileSync(join(folder, 'predictions.jsonl'), 'utf8').trimEnd().split('\n');
    const parsed = lines.map((line) => predictionRowSchema.parse(JSON.parse(line)));
    expect(parsed[1]).toMatchObject({ frame: 2, patient: '0042', retinopathy: 1, gate_p: 0.75, ...provenance });
    expect(parsed[3]).toEqual({ file: 'broken.dcm', frame: 3, error: 'cannot be read', ...provenance });
  });

  it('keeps the rows of other images, and replaces those of the same', async () => {
    const first = await PredictionsTable.open(folder);
    await first.add(resultOf('a.png', 1));
    await first.add(resultOf('b.png', 2));
    await first.write();
    const second = await PredictionsTable.open(folder);
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
    const table = await PredictionsTable.open(folder);
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
    const table = await PredictionsTable.open(folder);
    await table.add(resultOf('a.png', 1));
    await table.write();
    expect(
      rows().map(({ id, file, retinopathy_true, retinopathy }) => [id, file, retinopathy_true, retinopathy]),
    ).toEqual([
      ['B/test/1', 'a.png', '3', '2'],
      ['', 'a.png', '', '1'],
    ]);
  });

  it('does not write over a file that is none of its own', async () => {
    writeFileSync(join(folder, 'predictions.csv'), 'id,grade\n1,2\n');
    await expect(PredictionsTable.open(folder)).rejects.toThrow(
      /predictions\.csv is not a table.*other columns.*--out/,
    );
    writeFileSync(join(folder, 'predictions.csv'), '"open');
    await expect(PredictionsTable.open(folder)).rejects.toThrow(/cannot be read as CSV/);
  });

  it('appends while it is filled, in any form of the file, and drops what a kill left of a row', async () => {
    const provenance = {
      schema: PREDICTIONS_SCHEMA,
      gmtl: '1',
      model: 'm',
      adapter: 'a',
      preprocessing: '0123456789abcdef',
    } as const;
    const add = (table: PredictionsTable, name: string, grade: number) =>
      table.add(resultOf(name, grade), {}, provenance);
    const both = () => ['predictions.csv', 'predictions.jsonl'].map((name) => readFileSync(join(folder, name), 'utf8'));
    const first = await PredictionsTable.open(folder);
    for (const [index, name] of ['a.png', 'b.png', 'c.png'].entries()) {
      await add(first, name, index);
      expect(rows()).toHaveLength(index + 1);
    }
    const [csv, lines] = both();
    await first.write();
    expect(both()).toEqual([csv, lines]);
    // Cut anywhere in the last row, or with other ends of line and a mark before, the next run has the same table in the end.
    const lastRow = csv.lastIndexOf('c.png') - 1;
    const cuts = [lastRow + 1, csv.indexOf('"a ""grade', lastRow), csv.length - 9, csv.length - 1].filter(
      (at) => at > lastRow,
    );
    for (const text of [...cuts.map((at) => csv.slice(0, at)), `\ufeff${csv.replaceAll('\n', '\r\n')}`]) {
      writeFileSync(join(folder, 'predictions.csv'), text);
      const again = await PredictionsTable.open(folder);
      await add(again, 'b.png', 1);
      await add(again, 'c.png', 2);
      await again.write();
      expect(both()).toEqual([csv, lines]);
    }
    // A killed run leaves replaced rows at the end: the next one puts them in their places.
    const replaced = await PredictionsTable.open(folder);
    await add(replaced, 'a.png', 3);
    expect(rows().map(({ file }) => file)).toEqual(['a.png', 'b.png', 'c.png', 'a.png']);
    await (await PredictionsTable.open(folder)).write();
    expect(rows().map(({ file, retinopathy }) => [file, retinopathy])).toEqual([
      ['a.png', '3'],
      ['b.png', '1'],
      ['c.png', '2'],
    ]);
  });
});
